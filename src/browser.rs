//! The device: thin adapters between the replica and IndexedDB, tabs, sockets and the service worker.
