//! The built command against a real authorization server.

mod cli {
    mod configuration;
    mod errors;
    mod login;
    mod secrets;
    mod status;
    mod support;
    mod token;
}
