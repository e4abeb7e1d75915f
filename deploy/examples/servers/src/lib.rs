//! Example MCP servers on rmcp: time zones, and a search over a folder of documents
