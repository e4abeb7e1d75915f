//! The committed CRDs are what the types say.

use std::path::PathBuf;

use tidegate_controlplane_api::{Kind, crd};

const HEADER: &str = "# Generated from controlplane/api: UPDATE=1 cargo test --workspace --test crds\n";

#[test]
fn committed_crds_match_the_types() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
    for kind in Kind::SERVED {
        let definition = crd::definition(kind).expect("a served kind has a definition");
        let fresh = format!("{HEADER}{}", serde_saphyr::to_string(&definition).expect("it can be written"));
        let committed = directory.join(format!("{}.yaml", kind.plural()));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&committed, &fresh).expect("deploy/crds can be written");
        }
        let current = std::fs::read_to_string(&committed).unwrap_or_default();
        assert!(current == fresh, "{} is not what the types say; {HEADER}", committed.display());
    }
}
