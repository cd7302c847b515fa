//! apk's database.

use crate::component::Found;
use crate::files::Files;
use crate::purl::system_purl;
use crate::{Component, ComponentKind, Licence, SourcePackage, System};

/// Where it is; the second is where Alpine moves it to.
const PLACES: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];

/// The packages that apk has installed.
pub(crate) fn packages(files: &Files, system: &System) -> Vec<Found> {
    let Some((place, bytes)) = PLACES
        .iter()
        .find_map(|place| Some((*place, files.bytes(&(*place).into())?)))
    else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut record = Record::default();
    for line in bytes.split(|&byte| byte == b'\n').chain([&b""[..]]) {
        match line {
            b"" => found.extend(std::mem::take(&mut record).package(system, place)),
            [key, b':', value @ ..] => record.take(*key, value),
            _ => {}
        }
    }
    found
}

/// One package's lines.
#[derive(Default)]
struct Record {
    name: String,
    version: String,
    architecture: String,
    origin: String,
    licence: String,
    maintainer: String,
    homepage: String,
    directory: Vec<u8>,
    paths: Vec<Vec<u8>>,
}

impl Record {
    fn take(&mut self, key: u8, value: &[u8]) {
        let text = || String::from_utf8_lossy(value).trim().to_string();
        match key {
            b'P' => self.name = text(),
            b'V' => self.version = text(),
            b'A' => self.architecture = text(),
            b'o' => self.origin = text(),
            b'L' => self.licence = text(),
            b'm' => self.maintainer = text(),
            b'U' => self.homepage = text(),
            b'F' => self.directory = value.to_vec(),
            b'R' => self.paths.push([&self.directory, &b"/"[..], value].concat()),
            _ => {}
        }
    }

    fn package(self, system: &System, place: &str) -> Option<Found> {
        if self.name.is_empty() || self.version.is_empty() {
            return None;
        }
        let origin = if self.origin.is_empty() {
            &self.name
        } else {
            &self.origin
        };
        let qualifiers = [("arch", self.architecture.clone()), ("upstream", origin.clone())];
        let named = (self.name.as_str(), self.version.as_str());
        let purl = system_purl(ComponentKind::Apk, system, named, &qualifiers)?;
        let mut component = Component::new(ComponentKind::Apk, &self.name, &self.version, purl);
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        component.architecture = some(&self.architecture);
        component.source = Some(SourcePackage {
            name: origin.clone(),
            version: self.version.clone(),
        });
        component.licence = Licence::declared(&self.licence);
        component.supplier = some(&self.maintainer);
        component.homepage = some(&self.homepage);
        component.evidence.insert(place.into());
        let mut found = Found::new(component);
        found.claims.paths = self.paths;
        Some(found)
    }
}
