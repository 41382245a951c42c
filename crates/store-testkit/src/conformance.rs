//! The macros that make one named test of each case.

use std::future::Future;
use std::time::Duration;

/// Runs a case on a runtime with several threads, and fails it after ten minutes, in a
/// [long run](crate::LONG_RUN) after an hour.
///
/// # Panics
/// Where the case does, and when it does not end.
pub fn run<F: Future<Output = ()>>(case: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime for the test: {error}"));
    runtime.block_on(async {
        let limit = Duration::from_secs(crate::extent(600, 3_600));
        let ended = tokio::time::timeout(limit, case).await;
        assert!(ended.is_ok(), "the case did not end within {} s", limit.as_secs());
    });
}

/// Runs a case of the suite, and counts the refusals that it asserts.
#[doc(hidden)]
pub fn run_case<F: Future<Output = ()>>(path: &str, case: F) {
    crate::refusals::counted(path, || run(case));
}

/// One test per case of the store contract, twice: through the store's own type
/// (`MODULE::direct::…`) and through `Arc<dyn TokenStore>` (`MODULE::dynamic::…`).
///
/// Takes a module name and an expression whose future opens a fresh, isolated
/// [`Subject`](crate::Subject).
#[macro_export]
macro_rules! conformance {
    ($module:ident, $open:expr) => {
        $crate::__conformance! { $module, $open, {
            bytes { empty one_byte nul_and_newline every_byte not_utf8 kib_64 json json_spelled_oddly nearly_json }
            cancel { dropped_save_is_all_or_nothing dropped_lease_can_be_given_back }
            cas {
                create_once update_matches stale_conflicts matches_nothing_conflicts conflict_leaves_old
                save_is_idempotent delete_recreate_aba race_counter race_create_one_winner race_between_handles
            }
            crud {
                absent_is_none roundtrip overwrite remove_says_what_was_there remove_stale_conflicts
                keys_do_not_alias hints_round_trip keep_until_round_trips second_handle_sees_it
            }
            errors { name_is_given capabilities_as_documented conflict_says_where no_secret_in_errors no_secret_in_debug }
            expiry {
                gone_after_keep_until absent_succeeds_over_it matches_conflicts_after_it remove_after_it_is_false
                not_listed_after_it none_lives over_30_days past_when_saved
            }
            lease {
                exclusive reentrant_same_id expires release_frees release_not_mine_is_noop renew_says_whether_held
                renew_extends second_handle_is_kept_out ends_with_its_holder other_keys_are_free apart_from_records race_one_winner
            }
            limits { large_records many_records }
            list { nothing_at_first keys_versions_and_hints every_page_once never_leases after_remove no_secret_in_listing }
        } }
    };
}

/// The cases for a store of renewable tokens that can't compare and swap in one
/// step, as [`GetSetStore`](auth_core::store::GetSetStore): what has to hold when
/// one task at a time writes.
#[macro_export]
macro_rules! conformance_renewable {
    ($module:ident, $open:expr) => {
        $crate::__conformance! { $module, $open, {
            bytes { empty one_byte nul_and_newline every_byte not_utf8 kib_64 json json_spelled_oddly nearly_json }
            crud {
                absent_is_none roundtrip overwrite remove_says_what_was_there remove_stale_conflicts
                keys_do_not_alias hints_round_trip keep_until_round_trips second_handle_sees_it
            }
            errors { name_is_given capabilities_as_documented conflict_says_where no_secret_in_errors no_secret_in_debug }
            expiry {
                gone_after_keep_until absent_succeeds_over_it matches_conflicts_after_it remove_after_it_is_false
                not_listed_after_it none_lives over_30_days past_when_saved
            }
            lease {
                exclusive reentrant_same_id expires release_frees release_not_mine_is_noop renew_says_whether_held
                renew_extends second_handle_is_kept_out ends_with_its_holder other_keys_are_free apart_from_records race_one_winner
            }
        } }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance {
    ($module:ident, $open:expr, { $($group:ident { $($case:ident)* })* }) => {
        #[allow(unused_imports, clippy::wildcard_imports, reason = "the expression may name anything of its module")]
        mod $module {
            use super::*;

            mod direct {
                use super::*;
                $(mod $group {
                    use super::*;
                    $(#[test]
                    fn $case() {
                        const PATH: &str = concat!(module_path!(), "::", stringify!($case));
                        $crate::run_case(PATH, async { $crate::cases::$group::$case(&$open.await).await });
                    })*
                })*
            }

            mod dynamic {
                use super::*;
                $(mod $group {
                    use super::*;
                    $(#[test]
                    fn $case() {
                        const PATH: &str = concat!(module_path!(), "::", stringify!($case));
                        $crate::run_case(PATH, async { $crate::cases::$group::$case(&$open.await.into_dynamic()).await });
                    })*
                })*
            }
        }
    };
}
