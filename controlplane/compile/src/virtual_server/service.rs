//! `vmcp-NAME`: the Service of a virtual server (spec 2.6.2, 2.6.3).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tidegate_controlplane_api::Document;
use tidegate_controlplane_api::types::{ServiceType, SessionAffinity, VirtualMcpServerSpec};

use crate::child::FrontService;
use crate::compiled::{Condition, Hold, Withheld};
use crate::draft::Draft;
use crate::front::Fronts;

/// What clients connect to.
pub(super) const PORT: u16 = 4483;

/// Wants the Service of a server that is in order, and keeps one that is there. Says where it is reached, and where
/// gateways listen for it.
pub(super) fn expose(
    fronts: &Fronts,
    document: &Document,
    spec: &VirtualMcpServerSpec,
    withheld: Option<&Withheld>,
    draft: &mut Draft,
) -> Option<(Condition, Option<SocketAddr>)> {
    let object = &document.object_ref;
    let front = fronts.of(object)?;
    let service = service(spec);
    let wanted = withheld.is_none() || front.exists();
    let condition = match withheld {
        Some(withheld) if !wanted || withheld.hold == Hold::Remove => {
            Condition::of("Exposed", false, "NotServed", withheld.reason.as_str())
        }
        _ => front.exposed(object, service.r#type, service.port),
    };
    if document.is_deleting() {
        draft.leave_alone(object);
    } else if wanted {
        fronts.keep(object, front, service, draft);
    }
    Some((condition, fronts.listen(front)))
}

fn service(spec: &VirtualMcpServerSpec) -> FrontService {
    FrontService {
        r#type: spec.service_type.unwrap_or(ServiceType::ClusterIP),
        affinity: spec.session_affinity.unwrap_or(SessionAffinity::ClientIP),
        port: PORT,
        target: 0,
        local: false,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    }
}
