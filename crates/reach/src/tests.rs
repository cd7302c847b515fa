use super::*;

fn at(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), 443)
}

fn refused(reach: &Reach, host: &str, address: &str) -> bool {
    reach.check(host, &[at(address)]).is_err()
}

#[test]
fn service_row_05_what_is_not_public_is_out_of_reach() {
    let reach = Reach::public(Vec::new());
    for address in [
        "127.0.0.1",
        "127.255.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "169.254.170.2",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fec0::1",
        "fd00:ec2::254",
        "fc00::1",
        "ff02::1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1",
        "2002:a9fe:a9fe::1",
        "2001:0:1::1",
        "2001:db8::1",
        "100::1",
    ] {
        assert!(refused(&reach, "x.test", address), "{address}");
    }
    for address in [
        "93.184.216.34",
        "172.32.0.1",
        "100.128.0.1",
        "2606:4700::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ] {
        assert!(!refused(&reach, "x.test", address), "{address}");
    }
    let one_of_two = [at("93.184.216.34"), at("10.0.0.1")];
    assert!(
        reach.check("x.test", &one_of_two).is_err(),
        "every address is looked at"
    );
    assert!(
        !refused(&Reach::default(), "x.test", "169.254.169.254"),
        "without bounds nothing is"
    );
}

#[test]
fn what_is_named_is_reached_but_no_name_leads_to_the_local_link() {
    let allowed = ["registry.internal:443", "10.1.0.0/16", "db.internal"].map(|text| text.parse().unwrap());
    let reach = Reach::public(allowed.to_vec());
    assert!(
        !refused(&reach, "registry.internal", "10.9.0.1") && !refused(&reach, "Registry.Internal", "fd00::1")
    );
    assert!(refused(&reach, "registry.internal", "169.254.169.254"));
    assert!(refused(&reach, "registry.internal.evil", "10.9.0.1"));
    assert!(!refused(&reach, "any.test", "10.1.2.3") && refused(&reach, "any.test", "10.2.2.3"));
    let other_port = SocketAddr::new("10.9.0.1".parse().unwrap(), 22);
    assert!(reach.check("registry.internal", &[other_port]).is_err());
    assert!(reach.check("db.internal", &[other_port]).is_ok());
    for wrong in ["", ":5000", "a:b", "a:99999", "a b", "http://a"] {
        assert!(wrong.parse::<Destination>().is_err(), "{wrong}");
    }
}

#[test]
fn service_row_05_every_spelling_of_an_address_is_that_address() {
    let reach = Reach::public(Vec::new());
    for host in [
        "127.0.0.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "2130706433",
        "127.1",
        "0x7f000001",
        "[::1]",
        "localhost",
        "0",
    ] {
        let error = reach.resolve(host, 80).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{host}: {error}");
        assert!(reach.check_written(host, 80).is_err(), "{host}");
    }
    assert!(
        reach.check_written("169.254.169.254", 80).is_err() && reach.check_written("[fe80::1]", 80).is_err()
    );
    assert!(reach.check_written("name.test", 80).is_ok() && reach.check_written("8.8.8.8", 80).is_ok());
    let message = reach.resolve("127.0.0.1", 80).unwrap_err().to_string();
    assert_eq!(
        message,
        "127.0.0.1 is an address of this machine, and may not be reached from here"
    );
}

#[test]
fn an_agent_connects_to_nothing_out_of_reach() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let bounded = Reach::public(Vec::new()).agent(Config::builder().build());
    for host in ["127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"] {
        let error = bounded.get(format!("http://{host}:{port}/")).call().unwrap_err();
        assert!(
            error.to_string().contains("may not be reached from here"),
            "{host}: {error}"
        );
    }
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        ErrorKind::WouldBlock,
        "nobody connected"
    );
    let named = Reach::public(vec![format!("127.0.0.1:{port}").parse().unwrap()]);
    let answering = std::thread::spawn(move || {
        use std::io::{Read, Write};
        listener.set_nonblocking(false).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        stream
            .write_all(b"HTTP/1.1 302 Found\r\nlocation: http://localhost:1/\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
    });
    let error = named
        .agent(Config::builder().build())
        .get(format!("http://127.0.0.1:{port}/"))
        .call()
        .unwrap_err();
    assert!(
        error.to_string().contains("localhost is at"),
        "a redirect is checked too: {error}"
    );
    answering.join().unwrap();
}
