//! `vmcp-NAME`: the Service of a virtual server (spec 2.6.2, 2.6.3).

use std::collections::BTreeMap;

use tidegate_controlplane_api::Document;
use tidegate_controlplane_api::types::{ServiceType, SessionAffinity, VirtualMcpServerSpec};

use crate::child::FrontService;
use crate::compiled::{Condition, Hold, Withheld};
use crate::front::Exposure;
use crate::piece::Piece;

/// What clients connect to.
pub(super) const PORT: u16 = 4483;

/// Wants the Service of a server that is in order, and keeps one that is there. Says where it is reached.
pub(super) fn expose(
    exposure: &Exposure,
    document: &Document,
    spec: &VirtualMcpServerSpec,
    withheld: Option<&Withheld>,
    piece: &mut Piece,
) -> Condition {
    let (object, front) = (&document.object_ref, &exposure.front);
    let service = service(spec);
    let wanted = withheld.is_none() || front.exists();
    let condition = match withheld {
        Some(withheld) if !wanted || withheld.hold == Hold::Remove => {
            Condition::of("Exposed", false, "NotServed", withheld.reason.as_str())
        }
        _ => front.exposed(object, service.r#type, service.port),
    };
    if document.is_deleting() {
        piece.leave_alone();
    } else if wanted {
        exposure.keep(object, service, piece);
    }
    condition
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
