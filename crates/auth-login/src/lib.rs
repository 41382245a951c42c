//! auth-login
