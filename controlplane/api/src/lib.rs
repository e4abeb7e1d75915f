//! The toolhive.stacklok.dev resources as types, and their reading from YAML with positions
