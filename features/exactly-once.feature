Feature: Each record is copied once
  With --exactly-once our mirror writes transactions on the destination, each of which carries records
  and the position of their source partition. Whoever reads committed records there sees each once,
  whatever is killed or frozen; a reader of uncommitted ones sees aborted copies as well.

  @F11 @F12 @containers @only-mirror
  Scenario: a mirror that is killed again and again under load repeats nothing
    Given the topic orders with 8 partitions on the source and 3 on the destination
    And the mirror copies exactly once
    And the mirror is running
    When 4000 records over 400 keys are produced to orders
    And 300 records have arrived at orders
    And the mirror is killed
    And the mirror is started again
    And 4000 records over 400 keys are produced to orders
    And 5000 records have arrived at orders
    And the mirror is killed
    And 2000 records over 400 keys are produced to orders
    And the mirror is started
    And 9000 records have arrived at orders
    And the mirror is stopped
    And the mirror is started again
    And the mirror has caught up
    Then every record of the source is on the destination
    And no record is repeated
    And every key's records are in the order of the source
    And no position was committed ahead of its records
    And at least 10000 records were judged

  @F9 @containers @only-mirror
  Scenario: a mirror that was frozen until others had its partitions writes nothing more
    Given the topic orders with 8 partitions on the source and 3 on the destination
    And the mirror copies exactly once
    And the mirror is running
    When another instance of the mirror joins
    And 4000 records over 400 keys are produced to orders
    And 500 records have arrived at orders
    And the mirror is frozen
    And 3000 records over 400 keys are produced to orders
    And the mirror goes on after 15 seconds
    And 3000 records over 400 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And no record is repeated
    And every key's records are in the order of the source
    And no position was committed ahead of its records
    And at least 10000 records were judged
