//! Several builds as one: what they have in common is made once, results of one are contexts of another, and a failure
//! stops all of them.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use praxis_engine::{
    BuildRequest, BuildResponse, BuildTarget, ContextSource, Engine, EngineError, Event, Events, Output,
    OutputKind, Settings, own_books,
};
use praxis_testkit::{Base, is_root};

#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

impl Events for Heard {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Heard {
    /// Labels of all steps, by their numbers.
    fn labels(&self) -> Vec<String> {
        let mut labels = Vec::new();
        for event in self.0.lock().unwrap().iter() {
            if let Event::Planned { first, steps } = event {
                assert_eq!(*first, labels.len(), "numbers follow each other");
                labels.extend(steps.iter().map(|step| format!("{} {}", step.stage, step.name)));
            }
        }
        labels
    }

    /// How often a step whose name holds `part` was done, not taken from elsewhere.
    fn done(&self, part: &str) -> usize {
        let labels = self.labels();
        let events = self.0.lock().unwrap();
        let done = events.iter().filter(
            |event| matches!(event, Event::Finished { step, cached: false, .. } if labels[*step].contains(part)),
        );
        done.count()
    }
}

struct Place {
    directory: tempfile::TempDir,
    engine: Engine,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().unwrap();
        Base::write(&directory.path().join("base"));
        let root = directory.path().join("store");
        let books = own_books(&root);
        let settings = Settings {
            root,
            owns_ids: true,
            books,
        };
        let engine = Engine::open(settings).unwrap();
        Place { directory, engine }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A target with a context of its own, whose root file system goes to `out/NAME`.
    fn target(&self, name: &str, dockerfile: &str, uses: &[&str]) -> BuildTarget {
        let context = self.path().join(name);
        fs::create_dir_all(&context).unwrap();
        fs::write(context.join("Dockerfile"), dockerfile).unwrap();
        let base = format!("oci-layout://{}", self.path().join("base").display());
        let mut request = BuildRequest {
            context: ContextSource::Directory(context),
            ..BuildRequest::default()
        };
        request.build_contexts.insert("base".into(), base);
        for used in uses {
            request
                .build_contexts
                .insert((*used).to_string(), format!("target:{used}"));
        }
        request.outputs.push(Output {
            kind: OutputKind::Local,
            destination: Some(self.path().join("out").join(name)),
            ..Output::default()
        });
        BuildTarget {
            name: name.into(),
            request,
        }
    }

    fn build(&self, targets: &[BuildTarget], heard: &Heard) -> Result<Vec<BuildResponse>, EngineError> {
        self.engine.build_group(targets, heard, &AtomicBool::new(false))
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join("out").join(path)).unwrap()
    }
}

/// Steps start this program once more, so it has a main function of its own.
fn main() {
    if praxis_sandbox::is_child() {
        praxis_sandbox::init_main();
    }
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    circles_and_strangers_are_errors_before_anything_runs();
    if !is_root() {
        eprintln!("the rest is not tested: it needs root");
        return;
    }
    a_common_step_is_made_once_also_without_the_cache();
    a_target_is_a_context_of_others();
    a_failure_stops_the_others_and_says_whose_it_is();
    println!("groups: ok");
}

const RANDOM: &str = "FROM base AS common\nRUN head -c 16 /dev/urandom | sha256sum > /number && sleep 0.2\n";

fn a_common_step_is_made_once_also_without_the_cache() {
    let place = Place::new();
    let mut targets: Vec<BuildTarget> = ["one", "two", "three"]
        .iter()
        .map(|name| {
            place.target(
                name,
                &format!("{RANDOM}FROM common\nRUN echo {name} > /name\n"),
                &[],
            )
        })
        .collect();
    for no_cache in [false, true] {
        targets
            .iter_mut()
            .for_each(|target| target.request.no_cache = no_cache);
        let heard = Heard::default();
        place.build(&targets, &heard).unwrap();
        assert_eq!(
            heard.done("/dev/urandom"),
            1,
            "without the cache: {no_cache}; {:?}",
            heard.labels()
        );
        assert_eq!(place.read("one/number"), place.read("three/number"));
        assert_eq!(place.read("two/name"), "two\n");
        let labels = heard.labels();
        assert!(
            labels.iter().any(|label| label.starts_with("two common RUN")),
            "{labels:?}"
        );
    }
}

fn a_target_is_a_context_of_others() {
    let place = Place::new();
    let targets = [
        place.target(
            "app",
            "FROM tools\nCOPY --from=data /d /d\nRUN echo $GREETING $(cat /t) $(cat /d) > /all\n",
            &["tools", "data"],
        ),
        place.target(
            "data",
            "FROM scratch\nCOPY Dockerfile /x\nCOPY <<E /d\ndata\nE\n",
            &[],
        ),
        place.target(
            "tools",
            "FROM base\nENV GREETING=hello\nRUN sleep 0.2; echo tools > /t\n",
            &[],
        ),
    ];
    let responses = place.build(&targets, &Heard::default()).unwrap();
    assert_eq!(responses.len(), 3);
    assert_eq!(place.read("app/all"), "hello tools data\n");
    let heard = Heard::default();
    place.build(&targets, &heard).unwrap();
    assert_eq!(heard.done("RUN"), 0, "steps of all targets are cached");
}

fn a_failure_stops_the_others_and_says_whose_it_is() {
    let place = Place::new();
    let targets = [
        place.target("slow", "FROM base\nRUN sleep 60\n", &[]),
        place.target("waiting", "FROM failing\nRUN true\n", &["failing"]),
        place.target("failing", "FROM base\nRUN exit 3\n", &[]),
    ];
    let heard = Heard::default();
    let error = place.build(&targets, &heard).unwrap_err();
    assert!(error.message.starts_with("failing: "), "{error}");
    assert_eq!(error.exit_code, Some(3));
    assert!(error.excerpt.unwrap().contains("RUN exit 3"));
    assert_eq!(heard.done("sleep 60"), 0, "the slow one was not stopped");
    assert!(!place.path().join("out").exists(), "no output of a failed build");
}

fn circles_and_strangers_are_errors_before_anything_runs() {
    let place = Place::new();
    let circle = [
        place.target("a", "FROM b\n", &["b"]),
        place.target("b", "FROM a\n", &["a"]),
    ];
    let error = place.build(&circle, &Heard::default()).unwrap_err();
    assert!(error.message.contains("a, b use each other"), "{error}");
    let stranger = [place.target("a", "FROM b\n", &["b"])];
    let error = place.build(&stranger, &Heard::default()).unwrap_err();
    assert!(
        error.message.contains("target:b: there is no such target"),
        "{error}"
    );
}
