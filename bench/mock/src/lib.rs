//! A scriptable MCP backend: fixture of the tests and of the benchmarks
