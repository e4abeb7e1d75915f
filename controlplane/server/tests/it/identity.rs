//! Who is who over TLS: a replica as the control plane runs it, in this process, with a real API server and the
//! gateway's own binary.

mod authorities;
mod gateway;
mod log;
mod ring;
mod silence;
mod stage;
mod strangers;
