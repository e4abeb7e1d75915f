//! The condition `Exposed`: where clients reach a front from inside and outside the cluster (decision 7).

use tidegate_controlplane_api::ObjectRef;
use tidegate_controlplane_api::types::ServiceType;

use super::Front;
use crate::compiled::Condition;
use crate::view::cluster::Service;

/// Path of MCP at every front.
const PATH: &str = "/mcp";

impl Front {
    /// Says where `object` is reached, at `port` of its Service.
    pub(crate) fn exposed(&self, object: &ObjectRef, r#type: ServiceType, port: u16) -> Condition {
        let of = |holds, reason, message| Condition::of("Exposed", holds, reason, message);
        let service = match (&self.port, &self.observed) {
            (Err(hindrance), _) => return of(false, hindrance.reason, hindrance.message.clone()),
            (Ok(port), Some(service)) if port.recorded => service,
            (Ok(_), _) => {
                let message = format!("the Service {} is being written", self.service);
                return of(false, "ServicePending", message);
            }
        };
        let inside = format!("{}:{port}{PATH} in the cluster", self.host(object));
        match (r#type, outside(service, port)) {
            (ServiceType::ClusterIP, _) => of(true, "ClusterIP", inside),
            (ServiceType::LoadBalancer, Outside { balanced: Some(urls), .. }) => {
                of(true, "LoadBalancer", format!("{urls} by the load balancer; {inside}"))
            }
            (ServiceType::LoadBalancer, _) => {
                let message = format!("the load balancer has no address yet; {inside}");
                of(false, "LoadBalancerPending", message)
            }
            (ServiceType::NodePort, Outside { node_port: Some(port), .. }) => {
                of(true, "NodePort", format!("http://NODE:{port}{PATH} at every node; {inside}"))
            }
            (ServiceType::NodePort, _) => {
                of(false, "NodePortPending", format!("there is no node port yet; {inside}"))
            }
        }
    }

    /// Scheme and full name of the Service.
    pub(crate) fn host(&self, object: &ObjectRef) -> String {
        format!("http://{}.{}.svc.cluster.local", self.service, object.namespace)
    }
}

/// What of a Service is seen from outside.
struct Outside {
    balanced: Option<String>,
    node_port: Option<u16>,
}

fn outside(service: &Service, port: u16) -> Outside {
    let url = |address: &String| match address.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("http://[{address}]:{port}{PATH}"),
        Err(_) => format!("http://{address}:{port}{PATH}"),
    };
    let urls: Vec<_> = service.ingress.iter().map(url).collect();
    Outside { balanced: (!urls.is_empty()).then(|| urls.join(", ")), node_port: service.node_port }
}
