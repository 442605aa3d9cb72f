;; A component: logs the event, and answers with the event, or fails with it if it begins with `f`.
(component
  (import "log" (func $log (param "line" string)))
  (core module $memory
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32) (param $length i32) (result i32)
      (local $address i32)
      (local.set $address (global.get $free))
      (global.set $free (i32.add (global.get $free) (local.get $length)))
      (local.get $address)))
  (core instance $memory (instantiate $memory))
  (core func $log (canon lower (func $log) (memory (core memory $memory "memory"))))
  (core module $main
    (import "gateway" "log" (func $log (param i32 i32)))
    (import "memory" "memory" (memory 1))
    (func $spin (loop $again (br $again)))
    (func (export "handle") (param $address i32) (param $length i32) (result i32)
      (if (i32.eq (i32.load8_u (local.get $address)) (i32.const 115 (; s ;))) (then (call $spin)))
      (call $log (local.get $address) (local.get $length))
      ;; The result at address 0: is it an error, where it is, how long it is.
      (i32.store8 (i32.const 0)
        (i32.eq (i32.load8_u (local.get $address)) (i32.const 102 (; f ;))))
      (i32.store (i32.const 4) (local.get $address))
      (i32.store (i32.const 8) (local.get $length))
      (i32.const 0)))
  (core instance $main (instantiate $main
    (with "gateway" (instance (export "log" (func $log))))
    (with "memory" (instance $memory))))
  (func (export "handle") (param "event" string) (result (result string (error string)))
    (canon lift (core func $main "handle") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")))))
