//! A real Kubernetes API server with etcd and a controller manager on this machine, for tests and benchmarks.
