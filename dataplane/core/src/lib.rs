//! Decisions: snapshot, routing, dispatch, session token, catalog. Pure
