//! The gateways as EndpointSlices: at most 100 in a slice, each in a slice that its node's name decides, so that a gateway
//! that comes or goes changes one slice and not all that follow.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::meta::{CONTROLLER, Meta};
use super::services::PORT_NAME;
use crate::view::cluster::{Cluster, Gateway};
use tidegate_proto::digest::fnv;

/// What Kubernetes' own controller puts into a slice at most.
const MOST: usize = 100;

/// The gateways of a cluster, in slices; the same for every Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gateways {
    /// By the end of a slice's name.
    slices: BTreeMap<String, Arc<[Gateway]>>,
}

/// One slice of one Service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slice {
    pub(crate) service: Arc<str>,
    /// The gateways' port.
    pub(crate) target: u16,
    pub(crate) gateways: Arc<[Gateway]>,
}

impl Gateways {
    pub(crate) fn of(cluster: &Cluster) -> Self {
        let mut slices = BTreeMap::new();
        for (family, v6) in [("ipv4", false), ("ipv6", true)] {
            let gateways = cluster.gateways.values().filter(|gateway| gateway.address.is_ipv6() == v6);
            for (index, slice) in spread(gateways.collect()).into_iter().enumerate() {
                if !slice.is_empty() {
                    slices.insert(format!("{family}-{index}"), slice.into_iter().cloned().collect());
                }
            }
        }
        Self { slices }
    }

    /// Ends of the slices' names, and who is in them.
    pub(crate) fn slices(&self) -> impl Iterator<Item = (&str, &Arc<[Gateway]>)> {
        self.slices.iter().map(|(name, gateways)| (name.as_str(), gateways))
    }
}

/// Into as few slices, by powers of two, as none is too large.
fn spread(mut gateways: Vec<&Gateway>) -> Vec<Vec<&Gateway>> {
    gateways.sort_by(|a, b| (&a.node, a.address).cmp(&(&b.node, b.address)));
    let mut count = 1;
    loop {
        let mut slices = vec![Vec::new(); count];
        for gateway in &gateways {
            slices[fnv(&[&gateway.node]) as usize % count].push(*gateway);
        }
        // many gateways of one node cannot be told apart by its name
        if slices.iter().all(|slice| slice.len() <= MOST) || count > gateways.len() {
            return slices;
        }
        count *= 2;
    }
}

impl Slice {
    pub(super) fn body(&self, meta: Meta<'_>) -> Value {
        let mut body = meta.body([
            ("endpointslice.kubernetes.io/managed-by", CONTROLLER),
            ("kubernetes.io/service-name", &*self.service),
        ]);
        let v6 = self.gateways.iter().any(|gateway| gateway.address.is_ipv6());
        body.insert("addressType".to_owned(), json!(if v6 { "IPv6" } else { "IPv4" }));
        let endpoints: Vec<Value> = self.gateways.iter().map(endpoint).collect();
        body.insert("endpoints".to_owned(), Value::Array(endpoints));
        let port = json!({"name": PORT_NAME, "port": self.target, "protocol": "TCP"});
        body.insert("ports".to_owned(), json!([port]));
        Value::Object(body)
    }
}

fn endpoint(gateway: &Gateway) -> Value {
    let address: IpAddr = gateway.address;
    json!({
        "addresses": [address.to_string()],
        "conditions": {
            "ready": gateway.ready && !gateway.terminating,
            "serving": gateway.ready,
            "terminating": gateway.terminating,
        },
        "nodeName": gateway.node,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(nodes: impl Iterator<Item = usize>) -> Cluster {
        let gateway = |n: usize| {
            let [high, low] = u16::try_from(n).unwrap().to_be_bytes();
            let address = IpAddr::from([10, 0, high, low]);
            (
                format!("gateway-{n}"),
                Gateway { node: format!("node-{n}"), address, ready: true, terminating: false },
            )
        };
        Cluster { gateways: nodes.map(gateway).collect(), ..Cluster::default() }
    }

    #[test]
    fn up_to_a_hundred_gateways_are_one_slice() {
        let gateways = Gateways::of(&cluster(0..100));
        let sizes: Vec<_> = gateways.slices().map(|(name, slice)| (name, slice.len())).collect();
        assert_eq!(sizes, [("ipv4-0", 100)]);
        assert_eq!(Gateways::of(&Cluster::default()).slices().count(), 0);
    }

    #[test]
    fn a_gateway_that_comes_changes_one_slice() {
        let (before, after) = (Gateways::of(&cluster(0..500)), Gateways::of(&cluster(0..501)));
        assert!(before.slices().all(|(_, slice)| slice.len() <= MOST));
        assert_eq!(after.slices().map(|(_, slice)| slice.len()).sum::<usize>(), 501);
        let changed = after.slices().filter(|(name, slice)| before.slices.get(*name) != Some(slice)).count();
        assert_eq!(changed, 1, "{} slices", before.slices.len());
    }

    #[test]
    fn many_gateways_of_one_node_end_somewhere() {
        let mut cluster = cluster(0..150);
        cluster.gateways.values_mut().for_each(|gateway| gateway.node = "node".to_owned());
        assert_eq!(Gateways::of(&cluster).slices().map(|(_, slice)| slice.len()).sum::<usize>(), 150);
    }
}
