use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_module_must_not_do_ends_its_call_and_is_named() {
    let (function, _) = open(limits(program("hostile.wat")));
    let cases = [
        ("loop", "FUNCTION_OUT_OF_FUEL", "used up its 100000000 units of fuel"),
        ("loop", "FUNCTION_OUT_OF_FUEL", "(in `loop_for_ever`, called by "),
        ("nest", "FUNCTION_CRASHED", "the stack is full (in `nest_for_ever`, called by `nest_for_ever`, "),
        ("memory", "FUNCTION_OUT_OF_MEMORY", "wanted 5 MiB of memory and may have 4; raise `memory_mib`"),
        ("memory", "FUNCTION_OUT_OF_MEMORY", "(in `eat_memory`, called by "),
        ("read", "FUNCTION_CRASHED", "it read or wrote outside its memory (in `read_outside`"),
        ("unreachable", "FUNCTION_CRASHED", "it gave up (`unreachable`), as on a panic (in function 10)"),
        ("divide", "FUNCTION_CRASHED", "integer divide by zero (in function 10)"),
        ("1", "FUNCTION_CRASHED", "it handed 2 bytes at 65535 to `gateway.log`, which is outside its memory"),
        ("2", "FUNCTION_CRASHED", "it handed 4294967295 bytes at 4294967295 to `gateway.fail`"),
        ("3", "FUNCTION_CRASHED", "it handed 20 bytes at 65530 to `gateway.context`"),
        ("outside", "RESPONSE_TOO_LARGE", "over 4096 bytes"),
        ("half", "FUNCTION_NOT_ANSWERED", "`handle` gave 7 bytes at 65530, but the memory ends at 65536"),
        ("great", "RESPONSE_TOO_LARGE", "over 4096 bytes"),
        (
            "13 characters",
            "FUNCTION_NOT_ANSWERED",
            "`allocate(13)` gave 4294967288, but the memory ends at 65536",
        ),
    ];
    for (event, code, expected) in cases {
        let failure = call(&function, event).await.unwrap_err();
        assert_eq!(failure.code(), code, "{event}: {failure}");
        assert!(
            failure.to_string().contains(expected),
            "{event}\n  gave     {failure}\n  expected {expected}"
        );
    }
    // An empty answer at the very end of the memory is one, and the module works as ever.
    assert_eq!(call(&function, "end").await, done(""));
    assert_eq!(call(&function, "well").await, done("well"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_is_stopped_in_time_and_stops_nobody_else() {
    let limits =
        Limits { fuel_max: u64::MAX, timeout: Duration::from_secs(1), ..limits(program("hostile.wat")) };
    let (function, _) = open(limits);
    assert_eq!(call(&function, "well").await, done("well"));
    let spinning = {
        let function = Arc::clone(&function);
        tokio::spawn(async move { call(&function, "loop").await })
    };
    let mut others = 0;
    while !spinning.is_finished() {
        assert_eq!(call(&function, "well").await, done("well"));
        others += 1;
    }
    assert!(others > 0);
    let failure = spinning.await.unwrap().unwrap_err();
    assert_eq!(failure.code(), "TIMEOUT", "{failure}");
    assert!(failure.to_string().contains("did not answer within 1000 ms"), "{failure}");
    assert!(failure.to_string().contains("`loop_for_ever`"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_waits_for_ends_and_gives_its_place_back() {
    let limits = Limits { fuel_max: u64::MAX, concurrency: 1, ..limits(program("hostile.wat")) };
    let (function, _) = open(limits);
    assert_eq!(call(&function, "well").await, done("well"));
    for _ in 0..3 {
        let given_up = tokio::time::timeout(Duration::from_millis(20), call(&function, "loop")).await;
        assert!(given_up.is_err());
    }
    assert_eq!(call(&function, "well").await, done("well"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_logs_is_bounded_and_what_is_missing_counted() {
    let limits = Limits { log_bytes_max: 20_000, fuel_max: 20_000, ..limits(program("hostile.wat")) };
    let (function, logged) = open(limits);
    assert_eq!(call(&function, "babble").await.unwrap_err().code(), "FUNCTION_OUT_OF_FUEL");
    let logged = logged.0.lock();
    let bytes: usize = logged.iter().map(String::len).sum();
    assert!(bytes < 20_100, "{bytes}");
    let last = logged.last().unwrap();
    assert!(last.ends_with(" more bytes logged by this call were dropped"), "{last}");
}

/// Lanes, queues and dead letters wait for the disk on those threads.
#[test]
fn calls_that_take_long_take_no_blocking_thread_of_the_runtime() {
    let mut building = tokio::runtime::Builder::new_multi_thread();
    let runtime = building.worker_threads(2).max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let limits = Limits { fuel_max: u64::MAX, look_every: PATIENCE, ..limits(program("hostile.wat")) };
        let (function, _) = open(limits);
        assert_eq!(call(&function, "well").await, done("well"));
        let spinning: Vec<_> = (0..2)
            .map(|_| {
                let function = Arc::clone(&function);
                tokio::spawn(async move { call(&function, "loop").await })
            })
            .collect();
        while function.free_calls() > 0 {
            tokio::task::yield_now().await;
        }
        let reading = tokio::task::spawn_blocking(|| "read");
        let read = tokio::time::timeout(PATIENCE / 6, reading).await;
        spinning.iter().for_each(tokio::task::JoinHandle::abort);
        assert_eq!(read.expect("there is a thread for it").unwrap(), "read");
    });
}
