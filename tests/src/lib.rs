//! What the integration tests share: spawning nodes, clients, waiting on conditions.
