//! The binary tidegate-controlplane: sources, push server, inspection
