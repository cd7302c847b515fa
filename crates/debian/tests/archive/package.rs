//! Packages from nothing.

use std::io::Write;

/// A member of a package's data archive.
pub enum Member {
    /// A directory and its mode.
    Directory(&'static str, u32),
    /// A file, its mode and text.
    File(&'static str, u32, &'static str),
    /// A symbolic link.
    Link(&'static str, &'static str),
    /// A hard link.
    Hard(&'static str, &'static str),
}

/// A package.
pub struct Package {
    /// Its control paragraph, ending in a newline.
    pub control: String,
    /// Further control members.
    pub members: Vec<(&'static str, &'static str)>,
    /// What it brings.
    pub data: Vec<Member>,
}

impl Package {
    /// A package for amd64 with further control fields, each a line.
    pub fn new(name: &str, version: &str, fields: &str, data: Vec<Member>) -> Package {
        let mut control = format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n");
        for field in fields.lines().map(str::trim).filter(|field| !field.is_empty()) {
            control.push_str(&format!("{field}\n"));
        }
        control.push_str("Description: a test\n of packages\n");
        Package {
            control,
            members: Vec::new(),
            data,
        }
    }

    fn field(&self, name: &str) -> &str {
        let prefix = format!("{name}: ");
        self.control
            .lines()
            .find_map(|line| line.strip_prefix(prefix.as_str()))
            .unwrap()
    }

    /// Its path in an archive.
    pub fn path(&self) -> String {
        format!(
            "pool/main/{}_{}_amd64.deb",
            self.field("Package"),
            self.field("Version")
        )
    }

    /// The `.deb` file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut control = header("./control", b'0', 0o644, "", self.control.len());
        pad(&mut control, self.control.as_bytes());
        for (name, text) in &self.members {
            control.extend(header(&format!("./{name}"), b'0', 0o755, "", text.len()));
            pad(&mut control, text.as_bytes());
        }
        let mut data = header("./", b'5', 0o755, "", 0);
        for member in &self.data {
            match member {
                Member::Directory(path, mode) => {
                    data.extend(header(&format!("./{path}/"), b'5', *mode, "", 0))
                }
                Member::Link(path, target) => {
                    data.extend(header(&format!("./{path}"), b'2', 0o777, target, 0))
                }
                Member::Hard(path, target) => {
                    data.extend(header(
                        &format!("./{path}"),
                        b'1',
                        0o644,
                        &format!("./{target}"),
                        0,
                    ));
                }
                Member::File(path, mode, text) => {
                    let path = if path.starts_with("..") {
                        path.to_string()
                    } else {
                        format!("./{path}")
                    };
                    data.extend(header(&path, b'0', *mode, "", text.len()));
                    pad(&mut data, text.as_bytes());
                }
            }
        }
        ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar.xz", &xz(control)),
            ("data.tar", &finish(data)),
        ])
    }
}

fn header(path: &str, kind: u8, mode: u32, link: &str, size: usize) -> Vec<u8> {
    let mut block = vec![0; 512];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, path);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, &format!("{:011o}", 2_000_000_000));
    put(148, "        ");
    put(157, link);
    put(257, "ustar");
    put(263, "00");
    block[156] = kind;
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn pad(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(512), 0);
}

fn finish(mut tar: Vec<u8>) -> Vec<u8> {
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn xz(tar: Vec<u8>) -> Vec<u8> {
    let mut compressor = liblzma::write::XzEncoder::new(Vec::new(), 1);
    compressor.write_all(&finish(tar)).unwrap();
    compressor.finish().unwrap()
}

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        bytes.extend(
            format!(
                "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                0,
                0,
                0,
                100644,
                content.len()
            )
            .bytes(),
        );
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}
