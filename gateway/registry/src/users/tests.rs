use super::*;
use crate::{Affected, RegistryLimits, Settings};
use journal::state::StateStore;
use std::collections::BTreeSet;
use tempfile::TempDir;

const ALLOW: &str =
    r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}}"#;

fn open(directory: &TempDir, settings: Settings) -> Arc<Registry> {
    let store = StateStore::open(directory.path()).expect("the directory is fresh or was closed");
    Registry::open(&store, settings).expect("the rows are whole")
}

/// The decoy of a name is as good as a password's credential here, and costs nothing to make.
fn credential(number: u8) -> Credential {
    Credential::decoy(&[number; 32], "x", 4096)
}

fn create(name: &str, policies: &[&str]) -> Operation {
    let policies: BTreeSet<String> = policies.iter().map(|policy| (*policy).to_owned()).collect();
    Operation::CreateUser(UserRecord { policies, ..UserRecord::new(name, credential(1), 5) })
}

/// A registry with the policy `all` and the active user `ada` that has it.
fn with_ada() -> (TempDir, Arc<Registry>, Arc<User>) {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let registry = open(&directory, Settings::default());
    registry.create_policy("all", ALLOW).expect("the policy is right");
    registry.apply([create("ada", &["all"])]).expect("there is no such user yet");
    let ada = registry.candidate("ada").standing.expect("it is active");
    (directory, registry, ada)
}

fn apply(registry: &Registry, operation: Operation) {
    registry.apply([operation]).expect("a legal operation");
}

fn status(status: UserStatus) -> Operation {
    Operation::UpdateUserStatus { user: "ada".to_owned(), status }
}

fn new_password(number: u8) -> Operation {
    Operation::UpdateUserCredential { user: "ada".to_owned(), credential: credential(number), at_ms: 9 }
}

fn words(outcome: Result<(), RegistryError>) -> String {
    outcome.expect_err("it must be refused").to_string()
}

#[test]
fn a_user_has_its_policies_and_no_thing_and_no_certificate() {
    let (_directory, registry, ada) = with_ada();
    let principal = registry.authenticate_user(&ada).unwrap();
    assert_eq!(principal.policies[0].name(), "all");
    assert!(principal.certificate.is_absent() && principal.things.is_empty());
    assert_eq!(principal.user, Some(ada));
}

#[test]
fn only_an_active_user_with_the_password_that_was_proved_stays() {
    let (_directory, registry, ada) = with_ada();
    let label = |registry: &Registry| registry.check_user(&ada).map(drop).map_err(|refused| refused.label());
    apply(&registry, status(UserStatus::Inactive));
    assert_eq!(label(&registry), Err("inactive_user"));
    assert_eq!(
        registry.candidate("ada").credential,
        credential(1),
        "its salt does not tell that it is put aside"
    );
    apply(&registry, status(UserStatus::Active));
    assert_eq!(label(&registry), Ok(()));
    apply(&registry, new_password(2));
    assert_eq!(label(&registry), Err("password_changed"));
    apply(&registry, Operation::DeleteUser { user: "ada".to_owned() });
    assert_eq!(label(&registry), Err("unknown_user"));
    apply(&registry, create("ada", &[]));
    assert_eq!(label(&registry), Ok(()), "the same credential again");
}

#[test]
fn nobody_is_the_same_nobody_after_a_restart_and_another_elsewhere() {
    let (directory, registry, _) = with_ada();
    let nobody = registry.candidate("nobody");
    assert_eq!(nobody.standing, Err(UserRefused::Unknown("nobody".to_owned())));
    assert_eq!(nobody.credential.iterations(), access::scram::ITERATIONS_DEFAULT);
    drop(registry);
    let again = open(&directory, Settings::default()).candidate("nobody").credential;
    assert_eq!(again, nobody.credential);
    let (_other_directory, elsewhere, _) = with_ada();
    assert_ne!(elsewhere.candidate("nobody").credential, nobody.credential);
}

#[test]
fn users_are_there_after_a_restart() {
    let (directory, registry, ada) = with_ada();
    apply(&registry, new_password(1)); // changes the time alone
    let before = registry.user("ada").unwrap();
    assert_eq!((before.version, before.created_at_ms, before.password_set_at_ms), (2, 5, 9));
    drop(registry);
    let registry = open(&directory, Settings::default());
    assert_eq!(registry.user("ada"), Some(before));
    assert!(registry.check_user(&ada).is_ok());
    assert_eq!(registry.list_users(None, 9).items.len(), 1);
    assert_eq!(registry.user_count(), 1);
}

/// The row of the first format, as it was written: later versions must read it.
#[test]
fn rows_of_format_1_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = StateStore::open(directory.path()).unwrap();
    let row = r#"{"format":1,"record":{"name":"ada","status":"INACTIVE","credential":"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=","created_at_ms":5,"password_set_at_ms":6,"policies":[],"version":3}}"#;
    let mut batch = store.batch();
    batch.insert(&store.table("registry-users").unwrap(), "ada", row).unwrap();
    batch.commit_durable().unwrap();
    let registry = Registry::open(&store, Settings::default()).unwrap();
    let ada = registry.user("ada").unwrap();
    assert_eq!(
        (ada.status, ada.created_at_ms, ada.password_set_at_ms, ada.version),
        (UserStatus::Inactive, 5, 6, 3)
    );
    assert!(registry.candidate("ada").credential.is_password(b"pencil"));
}

#[test]
fn a_user_that_names_a_lost_policy_is_not_let_in_without_it() {
    let (directory, registry, _) = with_ada();
    drop(registry);
    let store = StateStore::open(directory.path()).unwrap();
    let mut batch = store.batch();
    batch.remove(&store.table("registry-policies").unwrap(), "all").unwrap();
    batch.commit_durable().unwrap();
    let refused = Registry::open(&store, Settings::default()).err().expect("a policy is missing").to_string();
    assert!(refused.contains("`ada` in table `registry-users`"), "{refused}");
    assert!(refused.contains("it names the policy `all`, which is not there"), "{refused}");
}

#[test]
fn refusals_name_what_to_do() {
    let (directory, registry, _) = with_ada();
    let refused = |operation| words(registry.apply([operation]));
    assert_eq!(refused(create("ada", &[])), "the user `ada` exists already");
    assert_eq!(refused(create("bob", &["al"])), "there is no policy `al`; did you mean `all`?");
    assert_eq!(
        refused(create("bob/x", &[])),
        "`bob/x` is not a legal user name: 1 to 64 letters, digits and `_+=,.@-`"
    );
    let unknown = Operation::DeleteUser { user: "adda".to_owned() };
    assert_eq!(refused(unknown), "there is no user `adda`; did you mean `ada`?");
    let policy = Operation::DeletePolicy { name: "all".to_owned() };
    assert_eq!(refused(policy), "the policy `all` is attached to user `ada`; detach it first");
    drop(registry);
    let limits = RegistryLimits { users_max: 1, policies_per_user_max: 1, ..RegistryLimits::default() };
    let registry = open(&directory, Settings { limits, ..Settings::default() });
    registry.create_policy("more", ALLOW).unwrap();
    let refused = |operation| words(registry.apply([operation]));
    assert_eq!(refused(create("bob", &[])), "users would be 2, the limit is 1 (`users_max`)");
    let attach = Operation::AttachUserPolicy { policy: "more".to_owned(), user: "ada".to_owned() };
    assert_eq!(refused(attach), "policies of one user would be 2, the limit is 1 (`policies_per_user_max`)");
}

#[test]
fn what_is_detached_and_deleted_in_one_batch_can_go() {
    let (_directory, registry, ada) = with_ada();
    let (policy, user) = ("all".to_owned(), "ada".to_owned());
    let name = policy.clone();
    registry.apply([Operation::DetachUserPolicy { policy, user }, Operation::DeletePolicy { name }]).unwrap();
    assert!(registry.authenticate_user(&ada).unwrap().policies.is_empty());
}

#[tokio::test]
async fn changes_are_announced_to_those_they_concern() {
    let (_directory, registry, _) = with_ada();
    let mut changes = registry.changes();
    apply(&registry, create("bob", &["all"])); // has no connection: not announced
    registry.update_policy("all", ALLOW).unwrap();
    apply(&registry, status(UserStatus::Inactive));
    apply(&registry, status(UserStatus::Inactive)); // changes nothing: not announced
    apply(&registry, new_password(2));
    apply(&registry, Operation::DetachUserPolicy { policy: "all".to_owned(), user: "ada".to_owned() });
    apply(&registry, Operation::DeleteUser { user: "ada".to_owned() });
    let users = |names: &[&str]| Affected::Users(names.iter().map(|name| (*name).to_owned()).collect());
    for expected in [&["ada", "bob"][..], &["ada"], &["ada"], &["ada"], &["ada"]] {
        assert_eq!(changes.next().await, Some(users(expected)));
    }
    drop(registry);
    assert_eq!(changes.next().await, None);
}
