//! Prints the description of the API, for `docs/openapi.json`.

fn main() {
    println!("{:#}", praxis_serve::openapi());
}
