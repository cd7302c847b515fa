//! A tar archive in memory, for layers that a test makes.

/// A ustar archive. The same calls give the same bytes.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
}

impl Archive {
    /// Adds a directory.
    pub fn directory(&mut self, path: &str, mode: u32) -> &mut Archive {
        self.entry(path, b'5', mode, "", &[])
    }

    /// Adds a regular file.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> &mut Archive {
        self.entry(path, b'0', mode, "", content)
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) -> &mut Archive {
        self.entry(path, b'2', 0o777, target, &[])
    }

    /// The finished archive.
    pub fn finish(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    }

    fn entry(&mut self, path: &str, kind: u8, mode: u32, target: &str, content: &[u8]) -> &mut Archive {
        self.bytes
            .extend_from_slice(&header(path, kind, mode, target, content.len()));
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }
}

fn header(path: &str, kind: u8, mode: u32, target: &str, size: usize) -> [u8; 512] {
    let mut header = [0; 512];
    let mut put =
        |start: usize, text: &str| header[start..start + text.len()].copy_from_slice(text.as_bytes());
    assert!(
        path.len() < 100 && target.len() < 100,
        "{path}: too long for ustar"
    );
    put(0, path);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, &format!("{:011o}", 1_514_764_800));
    put(148, "        ");
    put(157, target);
    put(257, "ustar\x0000");
    header[156] = kind;
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn another_program_reads_it() {
        let mut archive = Archive::default();
        archive
            .directory("a/", 0o755)
            .file("a/b", 0o640, b"text")
            .link("c", "a/b");
        let mut tar = Command::new("tar")
            .args(["-tvf", "-", "--numeric-owner"])
            .env("TZ", "UTC0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        tar.stdin.take().unwrap().write_all(&archive.finish()).unwrap();
        let output = tar.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("drwxr-xr-x 0/0") && lines[0].ends_with("2018-01-01 00:00 a/"),
            "{text}"
        );
        assert!(
            lines[1].starts_with("-rw-r----- 0/0") && lines[1].ends_with("a/b"),
            "{text}"
        );
        assert!(lines[2].ends_with("c -> a/b"), "{text}");
    }
}
