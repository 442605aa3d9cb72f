;; Fails with the event as the message.
(module
  (import "gateway" "fail" (func $fail (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "handle") (param $address i32) (param $length i32) (result i64)
    (call $fail (local.get $address) (local.get $length))
    (i64.const 0)))
