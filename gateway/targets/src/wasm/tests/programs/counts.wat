;; Counts its calls in its memory, and answers with the digit: an instance that were used again would answer 2.
(module
  (memory (export "memory") 1)
  (data (i32.const 0) "0")
  (func (export "_initialize") (i32.store8 (i32.const 0) (i32.add (i32.load8_u (i32.const 0)) (i32.const 1))))
  (func (export "allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "handle") (param i32 i32) (result i64) (i64.const 1)))
