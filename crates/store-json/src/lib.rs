//! store-json
