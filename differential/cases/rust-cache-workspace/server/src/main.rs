fn main() {
    println!("{}", shared::name());
}
