//! Commands in RUN, cut roughly: good enough to see what is called with which words.

use praxis_dockerfile::{Command, Instruction, Kind, Run};

/// A command and its words, without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SimpleCommand {
    /// The words; the first is the program.
    pub words: Vec<String>,
    /// Whether its output goes into the next one.
    pub piped: bool,
}

impl SimpleCommand {
    /// The program's name without its directory.
    pub fn program(&self) -> &str {
        let first = self.words.first().map_or("", String::as_str);
        first.rsplit('/').next().unwrap_or_default()
    }

    /// Whether a word is there.
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|other| other == word)
    }

    /// Whether a word begins so.
    pub fn has_prefix(&self, prefix: &str) -> bool {
        self.words.iter().any(|other| other.starts_with(prefix))
    }

    /// The words after the program that are no options.
    pub fn operands(&self) -> impl Iterator<Item = &str> {
        let words = self.words.iter().skip(1).map(String::as_str);
        words.filter(|word| !word.starts_with('-'))
    }

    /// Whether it is one of `programs` with `verb` as its first operand.
    pub fn is(&self, programs: &[&str], verb: &str) -> bool {
        programs.contains(&self.program()) && self.operands().next() == Some(verb)
    }

    /// The value of an option, `--name value` or `--name=value`.
    pub fn option(&self, names: &[&str]) -> Option<&str> {
        let mut words = self.words.iter();
        while let Some(word) = words.next() {
            if names.contains(&word.as_str()) {
                return words.next().map(String::as_str);
            }
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            if name.starts_with("--") && names.contains(&name) {
                return Some(value);
            }
        }
        None
    }
}

/// Words before a program that do not change which one it is.
const WRAPPERS: [&str; 8] = ["sudo", "exec", "command", "time", "env", "then", "do", "!"];

/// The commands of an instruction, empty if it is no RUN.
pub(crate) fn commands(instruction: &Instruction) -> Vec<SimpleCommand> {
    match &instruction.kind {
        Kind::Run(run) => of_run(run),
        _ => Vec::new(),
    }
}

fn of_run(run: &Run) -> Vec<SimpleCommand> {
    let line = match &run.command {
        Command::Exec(words) => {
            let shell = words.len() > 2 && words[0].ends_with("sh") && words[1].contains('c');
            if !shell {
                return vec![simple(words.clone(), false)];
            }
            words[2].clone()
        }
        Command::Shell(line) => line.clone(),
    };
    let mut found = of_line(&line);
    for heredoc in &run.heredocs {
        // A program's input is no list of commands; a bare one is a script.
        if line.trim_start().starts_with("<<")
            || found.first().is_some_and(|one| one.program().ends_with("sh"))
        {
            for line in heredoc.raw.replace("\\\n", " ").lines() {
                found.extend(of_line(line));
            }
        }
    }
    found
}

fn simple(mut words: Vec<String>, piped: bool) -> SimpleCommand {
    let assigns = |word: &String| {
        let name = word.split('=').next().unwrap_or_default();
        word.contains('=') && !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    while words
        .first()
        .is_some_and(|word| WRAPPERS.contains(&word.as_str()) || assigns(word))
    {
        words.remove(0);
    }
    SimpleCommand { words, piped }
}

/// Cuts a shell line at its operators.
pub(crate) fn of_line(line: &str) -> Vec<SimpleCommand> {
    let mut cutter = Cutter::default();
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match (cutter.quote, character) {
            (Some(open), close) if open == close => cutter.quote = None,
            (Some('\''), other) => cutter.word.push(other),
            (_, '\\') => cutter.word.extend(characters.next()),
            (Some(_), other) => cutter.word.push(other),
            (None, '\'' | '"') => {
                cutter.quote = Some(character);
                cutter.started = true;
            }
            (None, '&' | ';' | '\n' | '(' | ')' | '{' | '}' | '`') if !cutter.inside_word(character) => {
                cutter.end_command(false)
            }
            (None, '|') => {
                let pipe = characters.peek() != Some(&'|');
                characters.next_if(|next| *next == '|');
                cutter.end_command(pipe);
            }
            (None, '#') if cutter.word.is_empty() && !cutter.started => {
                while characters.next_if(|next| *next != '\n').is_some() {}
            }
            (None, blank) if blank.is_whitespace() => cutter.end_word(),
            (None, other) => cutter.word.push(other),
        }
    }
    cutter.end_command(false);
    cutter.commands
}

#[derive(Default)]
struct Cutter {
    commands: Vec<SimpleCommand>,
    words: Vec<String>,
    word: String,
    started: bool,
    quote: Option<char>,
}

impl Cutter {
    /// Whether a brace or an ampersand is part of a word: `${x}`, `2>&1`.
    fn inside_word(&self, character: char) -> bool {
        match character {
            '{' => self.word.ends_with('$'),
            '}' => self.word.contains("${") || self.word.contains('{'),
            '&' => self.word.ends_with('>'),
            _ => false,
        }
    }

    fn end_word(&mut self) {
        let word = std::mem::take(&mut self.word);
        if !word.is_empty() || self.started {
            self.words.push(word);
        }
        self.started = false;
    }

    fn end_command(&mut self, piped: bool) {
        self.end_word();
        if !self.words.is_empty() {
            let command = simple(std::mem::take(&mut self.words), piped);
            self.commands.push(command);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_operators() {
        let line = "set -eux; apt-get update && apt-get install -y 'a b' c=1 || true; (X=1 sudo curl -s \"$U\" | sh)";
        let programs: Vec<String> = of_line(line)
            .iter()
            .map(|one| one.program().to_string())
            .collect();
        assert_eq!(programs, ["set", "apt-get", "apt-get", "true", "curl", "sh"]);
        let found = of_line(line);
        assert_eq!(found[2].words, ["apt-get", "install", "-y", "a b", "c=1"]);
        assert!(found[4].piped && !found[5].piped);
        assert_eq!(of_line("echo ${a:-b} 2>&1 # c ; d").len(), 1);
    }

    #[test]
    fn options_have_values() {
        let one = &of_line("useradd --shell=/bin/sh -u 5 app")[0];
        assert_eq!(one.option(&["-s", "--shell"]), Some("/bin/sh"));
        assert_eq!(one.option(&["-u", "--uid"]), Some("5"));
    }
}
