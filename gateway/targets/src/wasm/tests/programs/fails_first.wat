;; Names the first record of a batch in `batchItemFailures`.
(module
  (memory (export "memory") 4)
  (data (i32.const 0) "{\"batchItemFailures\":[{\"itemIdentifier\":\"")
  (global $end (mut i32) (i32.const 41))
  (func (export "allocate") (param i32) (result i32) (i32.const 65536))
  (func $add (param $byte i32)
    (i32.store8 (global.get $end) (local.get $byte))
    (global.set $end (i32.add (global.get $end) (i32.const 1))))
  (func (export "handle") (param $at i32) (param i32) (result i64)
    ;; Up to `essageId` of the first `"messageId":"…"`, eight bytes that compare at once.
    (loop $search
      (if (i64.ne (i64.load (local.get $at)) (i64.const 0x6449656761737365))
        (then (local.set $at (i32.add (local.get $at) (i32.const 1))) (br $search))))
    (local.set $at (i32.add (local.get $at) (i32.const 11)))
    (loop $copy
      (if (i32.ne (i32.load8_u (local.get $at)) (i32.const 34 (; " ;)))
        (then
          (call $add (i32.load8_u (local.get $at)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $copy))))
    (call $add (i32.const 34))
    (call $add (i32.const 125))
    (call $add (i32.const 93))
    (call $add (i32.const 125))
    (i64.extend_i32_u (global.get $end))))
