use std::collections::{BTreeMap, HashSet};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::*;
use crate::json::quoted;

/// What stands before and after the value of `name` in a definition.
type Around = (String, String);

/// Each member's workload and tools by native name.
type Members = BTreeMap<String, BTreeMap<String, Around>>;

fn around() -> impl Strategy<Value = Around> {
    let before = prop::sample::select(vec![
        r#"{"name":"#,
        r#"{ "name" :"#,
        r#"{"title":"name","n\u0061me": "#,
        r#"{"_meta":{"name":"}"},"description":"\"name\":\"x\"","name":"#,
    ]);
    let after = prop::sample::select(vec![
        "}",
        " , \"inputSchema\":{\"properties\":{\"name\":{}}} }",
        ",\"annotations\":{\"title\":\"\\\\\"},\n\"x\":1.0E5}",
    ]);
    (before, after).prop_map(|(b, a)| (b.to_owned(), a.to_owned()))
}

/// Few letters: equal names, and names that prefixing makes equal, are common.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ab](_[ab]){0,2}", 1 => "[\"\\\\é\n]a?"]
}

fn members() -> impl Strategy<Value = Members> {
    btree_map("[ab](_[ab]){0,1}", btree_map(name(), around(), 0..8), 1..5)
}

fn resolution() -> impl Strategy<Value = ConflictResolution> {
    prop_oneof![
        prop::sample::select(vec!["{workload}_", "{workload}", "", "x."]).prop_map(prefix),
        vec("[ab](_[ab]){0,1}", 0..3).prop_map(|order| ConflictResolution::Priority { order }),
        Just(ConflictResolution::Manual),
    ]
}

fn texts(tools: &BTreeMap<String, Around>) -> Vec<String> {
    tools.iter().map(|(name, (before, after))| format!("{before}{}{after}", quoted(name))).collect()
}

fn contribute(texts: &[String], page_size: usize) -> Option<Arc<Contribution>> {
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let pages: Vec<_> = texts.chunks(page_size).map(page).collect();
    Some(Arc::new(Contribution::parse(&pages).expect("pages")))
}

fn server(members: &Members, how: &ConflictResolution) -> VirtualServer {
    let workloads: Vec<_> = members.keys().map(String::as_str).collect();
    let mut vs = vs(&workloads);
    vs.aggregation.conflict_resolution = how.clone();
    vs
}

fn contributions(members: &Members) -> Vec<Option<Arc<Contribution>>> {
    members.values().map(|tools| contribute(&texts(tools), usize::MAX)).collect()
}

proptest! {
    #[test]
    fn every_exposed_name_leads_to_who_offers_it_and_only_the_name_changes(members in members(), how in resolution()) {
        let vs = server(&members, &how);
        let catalog = merge(&vs, &contributions(&members));
        let mut expected = Vec::new();
        let mut routes = HashSet::new();
        for tool in catalog.tools() {
            let tools = &members[&vs.members[usize::from(tool.member)].workload];
            let (before, after) = tools.get(&*tool.native).expect("its backend offers it");
            expected.push(format!("{before}{}{after}", if tool.exposed == tool.native { quoted(&tool.native) } else { quoted(&tool.exposed) }));
            prop_assert_eq!(catalog.tool(tool.exposed.as_bytes()), Some(tool));
            prop_assert_eq!(quoted(&tool.native).into_bytes(), [b"\"", &*tool.native_json, b"\""].concat());
            prop_assert!(routes.insert((tool.member, tool.native.clone())), "one native tool, one name");
        }
        prop_assert_eq!(String::from_utf8_lossy(catalog.list().bytes()), format!(r#"{{"tools":[{}]}}"#, expected.join(",")));
        let names: Vec<_> = list(&catalog).iter().map(|t| t["name"].as_str().expect("a name").to_owned()).collect();
        prop_assert!(names.is_sorted_by(|a, b| a < b));
        prop_assert!(catalog.tools().map(|t| &*t.exposed).eq(names.iter().map(String::as_str)));
    }

    #[test]
    fn a_tool_that_is_left_out_is_reported(members in members(), how in resolution()) {
        let catalog = merge(&server(&members, &how), &contributions(&members));
        let offered: usize = members.values().map(BTreeMap::len).sum();
        prop_assert_eq!(catalog.tools().len() < offered, !catalog.conflicts().is_empty());
        if let ConflictResolution::Prefix { .. } = how {
            prop_assert_eq!(offered - catalog.tools().len(), catalog.conflicts().len());
        }
        let exposed: HashSet<_> = catalog.tools().map(|t| (t.member, &*t.native)).collect();
        for (i, tools) in members.values().enumerate() {
            for native in tools.keys().filter(|n| !exposed.contains(&(i as u16, n.as_str()))) {
                let shown = |c: &String| c.contains(quoted(native).trim_matches('"'));
                prop_assert!(catalog.conflicts().iter().any(shown), "{} {:?}", native, catalog.conflicts());
            }
        }
    }

    #[test]
    fn neither_order_nor_pages_of_a_contribution_matter(
        members in members(),
        how in resolution(),
        page_size in 1usize..4,
        seed in any::<prop::sample::Selector>(),
    ) {
        let vs = server(&members, &how);
        let shuffled = members.values().map(|tools| {
            let mut left = texts(tools);
            let mut order = Vec::new();
            while !left.is_empty() {
                let next = seed.select(0..left.len());
                order.push(left.swap_remove(next));
            }
            contribute(&order, page_size)
        });
        let shuffled = merge(&vs, &shuffled.collect::<Vec<_>>());
        let sorted = merge(&vs, &contributions(&members));
        prop_assert_eq!(sorted.list().bytes(), shuffled.list().bytes());
        prop_assert_eq!(sorted.list().digest(), shuffled.list().digest());
        prop_assert_eq!(sorted.conflicts(), shuffled.conflicts());
        prop_assert!(sorted.tools().eq(shuffled.tools()));
    }

    #[test]
    fn the_order_of_members_matters_only_between_equal_names(members in members(), how in resolution()) {
        let vs = server(&members, &how);
        let mut contributed = contributions(&members);
        let sorted = merge(&vs, &contributed);
        let mut reversed = vs.clone();
        reversed.members.reverse();
        contributed.reverse();
        let reversed = merge(&reversed, &contributed);
        prop_assert_eq!(sorted.tools().len(), reversed.tools().len());
        if sorted.conflicts().is_empty() {
            prop_assert_eq!(sorted.list().bytes(), reversed.list().bytes());
            prop_assert_eq!(sorted.list().digest(), reversed.list().digest());
        }
    }

    #[test]
    fn names_that_nobody_offers_lead_nowhere(members in members(), asked in btree_set(name(), 1..9)) {
        let catalog = merge(&server(&members, &prefix("{workload}_")), &contributions(&members));
        for name in asked {
            let known = catalog.tools().any(|t| *t.exposed == *name);
            prop_assert_eq!(catalog.tool(name.as_bytes()).is_some(), known);
        }
    }
}
