//! Region and credentials as the environment of the process gives them: this program again, since
//! only a process of its own has an environment of its own.

use std::process::Command;

use store_kms::{AwsKms, KeyProvider};
use test_services::Kms;

use super::given::{context, kms};

const KEY: &str = "CHAIN_KEY";
const ENDPOINT: &str = "CHAIN_ENDPOINT";
const SAYS: &str = "came of it: ";

/// What comes of a data key there.
#[tokio::test]
async fn worker() {
    let (Ok(key), Ok(endpoint)) = (std::env::var(KEY), std::env::var(ENDPOINT)) else {
        return;
    };
    let builder = AwsKms::builder(key)
        .endpoint_url(endpoint)
        // A busy machine is no dead server.
        .time_limit(std::time::Duration::from_mins(1));
    let made = match builder.connect().await {
        Ok(provider) => provider.generate(&context(1)).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(made) => println!("{SAYS}{}", made.key),
        Err(error) => println!("{SAYS}{:?} {error}", error.kind()),
    }
}

#[test]
fn region_and_credentials_come_from_the_environment() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let key_id = key.rsplit('/').next().unwrap();
    let came = ask(
        &kms,
        key_id,
        &[
            ("AWS_REGION", Kms::REGION),
            ("AWS_ACCESS_KEY_ID", Kms::ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", Kms::SECRET_ACCESS_KEY),
        ],
    );
    assert_eq!(came, key);
}

#[test]
fn region_and_credentials_come_from_a_profile() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (config, login) = (folder.path().join("config"), folder.path().join("credentials"));
    std::fs::write(&config, format!("[profile keeper]\nregion = {}\n", Kms::REGION)).unwrap();
    let text = format!(
        "[keeper]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        Kms::ACCESS_KEY_ID,
        Kms::SECRET_ACCESS_KEY
    );
    std::fs::write(&login, text).unwrap();
    let came = ask(
        &kms,
        key.rsplit('/').next().unwrap(),
        &[
            ("AWS_PROFILE", "keeper"),
            ("AWS_CONFIG_FILE", config.to_str().unwrap()),
            ("AWS_SHARED_CREDENTIALS_FILE", login.to_str().unwrap()),
        ],
    );
    assert_eq!(came, key);
}

#[test]
fn without_credentials_it_says_which_there_could_be() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let came = ask(&kms, &key, &[]);
    assert!(came.starts_with("Config") && came.contains("AWS_PROFILE"), "{came}");
    assert!(kms.calls(&key).unwrap().is_empty());
}

#[test]
fn without_a_region_an_alias_names_no_key() {
    let came = ask(&kms(), "alias/tokens", &[]);
    assert!(came.starts_with("Config") && came.contains("AWS_REGION"), "{came}");
}

#[test]
fn an_endpoint_in_the_environment_changes_nothing() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let came = ask(
        &kms,
        &key,
        &[
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
            ("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9"),
            ("AWS_ACCESS_KEY_ID", Kms::ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", Kms::SECRET_ACCESS_KEY),
        ],
    );
    assert_eq!(came, key);
}

fn ask(kms: &Kms, key: &str, environment: &[(&str, &str)]) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["chain::worker", "--exact", "--nocapture"])
        .env_clear()
        .env("HOME", home.path())
        // Nobody outside is asked.
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs([(KEY, key), (ENDPOINT, &kms.url())])
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let line = output.lines().find_map(|line| line.split_once(SAYS));
    line.unwrap_or_else(|| panic!("it said nothing: {output}")).1.to_owned()
}
