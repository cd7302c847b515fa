//! Every row of attacks on the service, over HTTP.

mod calls;
mod door;
mod framing;
mod life;

use std::fs;
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use praxis_testkit::{WebAnswer, WebServer};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::agent::Place;
use crate::web::{ADMIN, BUILDER, OTHER, READER, Server, answer, bearer, call, command, hello, refused};

const JSON: (&str, &str) = ("content-type", "application/json");
const ACCEPT: (&str, &str) = ("accept", "application/json, text/event-stream");

fn place() -> Place {
    Place::with("FROM scratch\nCOPY Dockerfile /\n")
}
