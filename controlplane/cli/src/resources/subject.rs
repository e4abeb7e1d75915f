//! What the words on the command line ask for: `vmcp`, `mcpservers,mcpgroups`, `backends`, `vmcp/demo`, with the names
//! and short names that kubectl users expect.

use std::ffi::OsStr;
use std::sync::LazyLock;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use tidegate_controlplane_api::Kind as ObjectKind;
use tidegate_controlplane_api::crd::short_names;
use tidegate_controlplane_api::meta::GROUP;

use super::Kind;

/// What one word stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// Its longest name, in the plural.
    pub(crate) word: String,
    /// What a control plane shows for it.
    pub(crate) view: Option<Kind>,
    /// The kinds of objects that a cluster keeps for it.
    pub(crate) kinds: Vec<ObjectKind>,
    /// Its other names.
    aliases: Vec<String>,
}

/// The subjects of a command, and the name in `KIND/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// In the order of the command line.
    pub(crate) subjects: Vec<Subject>,
    /// Of the form `KIND/NAME`.
    pub(crate) name: Option<String>,
}

/// Reads `KIND[,KIND...]` and `KIND/NAME`.
#[derive(Clone, Debug)]
pub(crate) struct AskedParser;

/// All there are, in the order of `--help`.
static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(Subject::all);

impl Subject {
    fn all() -> Vec<Subject> {
        let of_view = |view: Kind, kinds: &[ObjectKind], more: &[&str]| {
            let own = [view.singular()].into_iter().chain(more.iter().copied()).map(str::to_owned);
            let inherited = match kinds {
                [only] => [only.plural(), only.singular()].into_iter().chain(short(*only)).collect(),
                _ => Vec::new(),
            };
            let aliases = own.chain(inherited).collect();
            Subject { word: view.plural().to_owned(), view: Some(view), kinds: kinds.to_vec(), aliases }
        };
        let mut all = vec![
            of_view(Kind::VirtualServers, &[ObjectKind::VirtualMcpServer], &["vs"]),
            of_view(Kind::Backends, &ObjectKind::BACKENDS, &["be"]),
            of_view(Kind::Tools, &[], &[]),
            of_view(Kind::Nodes, &[], &["no"]),
        ];
        let others = ObjectKind::SERVED.into_iter().filter(|kind| *kind != ObjectKind::VirtualMcpServer);
        all.extend(others.map(Subject::of_kind));
        let aliases = vec!["all".to_owned()];
        let kinds = ObjectKind::SERVED.to_vec();
        all.push(Subject { word: "toolhive".to_owned(), view: None, kinds, aliases });
        all
    }

    fn of_kind(kind: ObjectKind) -> Self {
        let more: &[&str] = if kind == ObjectKind::McpServerEntry { &["entries", "entry"] } else { &[] };
        let mut aliases: Vec<_> = [kind.singular()].into_iter().chain(short(kind)).collect();
        aliases.extend(more.iter().map(|&name| name.to_owned()));
        Subject { word: kind.plural(), view: None, kinds: vec![kind], aliases }
    }

    /// One of them.
    pub(crate) fn singular(&self) -> String {
        match (&self.kinds[..], self.view) {
            ([only], _) => only.singular(),
            (_, Some(view)) => view.singular().to_owned(),
            (_, None) => "object".to_owned(),
        }
    }

    fn possible_value(&'static self) -> PossibleValue {
        PossibleValue::new(self.word.as_str()).aliases(self.aliases.iter().map(String::as_str))
    }

    fn is_called(&self, name: &str) -> bool {
        self.aliases.iter().chain([&self.word]).any(|own| own.eq_ignore_ascii_case(name))
    }
}

impl TypedValueParser for AskedParser {
    type Value = Asked;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Asked, clap::Error> {
        let words = PossibleValuesParser::new(SUBJECTS.iter().map(Subject::possible_value));
        let text = value.to_string_lossy();
        let (kinds, name) = match text.split_once('/') {
            Some((kinds, name)) => (kinds, Some(name.to_owned())),
            None => (&*text, None),
        };
        let subject = |word: &str| {
            let word = without_group(word);
            words.parse_ref(command, argument, OsStr::new(word))?;
            Ok(SUBJECTS.iter().find(|subject| subject.is_called(word)).cloned())
        };
        let subjects: Result<Vec<_>, clap::Error> =
            kinds.split(',').filter_map(|word| subject(word).transpose()).collect();
        Ok(Asked { subjects: subjects?, name })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(SUBJECTS.iter().map(Subject::possible_value)))
    }
}

fn short(kind: ObjectKind) -> impl Iterator<Item = String> {
    short_names(kind).iter().map(|&name| name.to_owned())
}

/// `-o name` and kubectl write `virtualmcpservers.toolhive.stacklok.dev`, with or without a version between.
fn without_group(word: &str) -> &str {
    match word.split_once('.') {
        Some((kind, group)) if group == GROUP || group.ends_with(&format!(".{GROUP}")) => kind,
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Asked, clap::Error> {
        let argument = clap::Arg::new("KIND").ignore_case(true);
        AskedParser.parse_ref(&clap::Command::new("tidegate"), Some(&argument), OsStr::new(text))
    }

    #[track_caller]
    fn check(text: &str, words: &[&str], name: Option<&str>) {
        let asked = parse(text).unwrap();
        assert_eq!(asked.subjects.iter().map(|subject| subject.word.as_str()).collect::<Vec<_>>(), words);
        assert_eq!(asked.name.as_deref(), name, "{text}");
    }

    #[test]
    fn kubectls_names_and_short_names_are_understood() {
        for name in [
            "vmcp",
            "virtualmcp",
            "virtualmcpserver",
            "VirtualMCPServers",
            "virtualserver",
            "vs",
            "virtualmcpservers.toolhive.stacklok.dev",
            "vmcp.v1beta1.toolhive.stacklok.dev",
        ] {
            check(name, &["virtualservers"], None);
        }
        check("be", &["backends"], None);
        check("nodes,tool", &["nodes", "tools"], None);
        check("rp,mcpg,entries", &["mcpremoteproxies", "mcpgroups", "mcpserverentries"], None);
        check("mcpserver/clock", &["mcpservers"], Some("clock"));
        check("all", &["toolhive"], None);
    }

    #[test]
    fn a_word_stands_for_kinds_of_a_cluster_and_a_view_of_a_control_plane() {
        let subject = |text| parse(text).unwrap().subjects.remove(0);
        assert_eq!(subject("vmcp").kinds, [ObjectKind::VirtualMcpServer]);
        assert_eq!(subject("vmcp").view, Some(Kind::VirtualServers));
        assert_eq!(subject("backends").kinds, ObjectKind::BACKENDS);
        assert_eq!(subject("nodes").kinds, []);
        assert_eq!(subject("mcpg").view, None);
        assert_eq!(subject("toolhive").kinds.len(), 11);
    }

    #[test]
    fn no_name_means_two_things() {
        for name in SUBJECTS.iter().flat_map(|subject| subject.aliases.iter().chain([&subject.word])) {
            assert_eq!(SUBJECTS.iter().filter(|subject| subject.is_called(name)).count(), 1, "{name}");
        }
    }

    #[test]
    fn other_words_are_refused_with_those_there_are() {
        let error = parse("vmcp,pods").unwrap_err().to_string();
        assert!(error.contains("'pods'") && error.contains("mcpremoteproxies"), "{error}");
        assert!(parse("pods.toolhive.stacklok.dev").is_err());
        assert!(parse("mcpservers.example.com").is_err());
    }
}
