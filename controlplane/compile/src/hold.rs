//! What is served for what is withheld: a mistake changes nothing, a weakening is removed.

use std::sync::Arc;

use tidegate_proto::table::{
    Backend, BackendId, Endpoint, Entry, EntryKey, Member, Table, VirtualServer, VirtualServerId,
};

use crate::compiled::{Command, Compiled, Hold};

/// The table to publish after `previous`: the compiled one, with the previous value of each entry that is
/// withheld with [`Hold::KeepPrevious`]. A virtual server goes on using a backend whose previous value is kept;
/// one that is itself kept goes on using those of its backends that still exist.
pub fn hold(previous: &Table, compiled: &Compiled) -> Table {
    let mut table = compiled.table.clone();
    if kept(compiled).next().is_none() {
        return table;
    }
    for key in kept(compiled) {
        if let (EntryKey::Backend(id), Some(entry)) = (key, previous.entries.get(key)) {
            table.entries.insert(key.clone(), at_its_pods(entry, compiled.endpoints.get(id)));
        }
    }
    for server in compiled.table.virtual_servers() {
        readmit(previous, compiled, server, &mut table);
    }
    for key in kept(compiled) {
        if let (EntryKey::VirtualServer(_), Some(entry)) = (key, previous.entries.get(key))
            && let Entry::VirtualServer(server) = &**entry
        {
            keep(previous, compiled, server, &mut table);
        }
    }
    table
}

/// What is kept of a backend is what its manifest said; where its pods are changes all the same.
fn at_its_pods(entry: &Arc<Entry>, endpoints: Option<&Vec<Endpoint>>) -> Arc<Entry> {
    match (&**entry, endpoints) {
        (Entry::Backend(backend), Some(endpoints)) if backend.endpoints != *endpoints => {
            Arc::new(Entry::Backend(Backend { endpoints: endpoints.clone(), ..backend.clone() }))
        }
        _ => Arc::clone(entry),
    }
}

/// The commands to run after `previous`: those of backends whose previous value is kept go on.
pub fn hold_commands(previous: &[Command], compiled: &Compiled) -> Vec<Command> {
    let keeps = |command: &&Command| is_kept(compiled, &command.backend);
    let mut commands = compiled.commands.to_vec();
    commands.extend(previous.iter().filter(keeps).cloned());
    commands.sort_by(|a, b| a.backend.cmp(&b.backend));
    commands.dedup_by(|a, b| a.backend == b.backend);
    commands
}

fn kept(compiled: &Compiled) -> impl Iterator<Item = &EntryKey> {
    compiled.withheld.iter().filter(|(_, withheld)| withheld.hold == Hold::KeepPrevious).map(|(key, _)| key)
}

fn is_kept(compiled: &Compiled, backend: &BackendId) -> bool {
    let withheld = compiled.withheld.get(&EntryKey::Backend(backend.clone()));
    withheld.is_some_and(|withheld| withheld.hold == Hold::KeepPrevious)
}

fn is_barred(compiled: &Compiled, server: &VirtualServerId, backend: &BackendId) -> bool {
    compiled.barred.get(server).is_some_and(|barred| barred.contains(backend))
}

/// Gives a compiled virtual server its members back whose backends are kept.
fn readmit(previous: &Table, compiled: &Compiled, server: &VirtualServer, table: &mut Table) {
    let candidates = compiled.candidates.get(&server.id).into_iter().flatten();
    let before = previous_server(previous, &server.id).into_iter().flat_map(|before| &before.members);
    let mut back: Vec<&Member> = Vec::new();
    for member in candidates.chain(before) {
        let fits = is_kept(compiled, &member.backend)
            && table.backend(&member.backend).is_some()
            && !is_barred(compiled, &server.id, &member.backend)
            && server
                .members
                .iter()
                .chain(back.iter().copied())
                .all(|other| other.workload != member.workload);
        if fits {
            back.push(member);
        }
    }
    if !back.is_empty() {
        let mut server = server.clone();
        server.members.extend(back.into_iter().cloned());
        server.members.sort_by(|a, b| a.workload.cmp(&b.workload));
        table.insert(Entry::VirtualServer(server));
    }
}

/// Keeps a virtual server as it was, without members that are gone and ports that another one has now.
fn keep(previous: &Table, compiled: &Compiled, server: &VirtualServer, table: &mut Table) {
    let mut server = server.clone();
    server.members.retain(|member| {
        !is_barred(compiled, &server.id, &member.backend) && available(previous, &server.id, member, table)
    });
    server.listen.retain(|address| table.virtual_servers().all(|other| !other.listen.contains(address)));
    table.insert(Entry::VirtualServer(server));
}

/// Whether a kept member has a backend; backends written inside the kept virtual server are kept with it.
fn available(previous: &Table, server: &VirtualServerId, member: &Member, table: &mut Table) -> bool {
    let key = EntryKey::Backend(member.backend.clone());
    if table.entries.contains_key(&key) {
        return true;
    }
    let inline = member.backend == BackendId::inline(server, &member.workload);
    match previous.entries.get(&key) {
        Some(entry) if inline => table.entries.insert(key, Arc::clone(entry)).is_none(),
        _ => false,
    }
}

fn previous_server<'a>(previous: &'a Table, id: &VirtualServerId) -> Option<&'a VirtualServer> {
    match &**previous.entries.get(&EntryKey::VirtualServer(id.clone()))? {
        Entry::VirtualServer(server) => Some(server),
        Entry::Backend(_) => None,
    }
}
