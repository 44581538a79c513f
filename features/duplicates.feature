Feature: Nothing is repeated without a reason
  A mirror that copies at least once may repeat what it had not committed when it was killed, or
  when partitions moved to another of its instances. It repeats nothing else, and a mirror that is
  asked to stop repeats nothing at all.

  @F23 @F27
  Scenario: a mirror that is stopped and started again loses and repeats nothing
    Given the topic orders with 3 partitions on the source and 8 on the destination
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And the mirror is stopped
    And 2000 records over 100 keys are produced to orders
    And the mirror is started again
    And the mirror has caught up
    Then every record of the source is on the destination
    And no record is repeated
    And no position was committed ahead of its records

  @F11 @F12 @F27
  Scenario: a mirror that is killed under load loses nothing, and repeats only what it had not committed
    Given the topic orders with 3 partitions on the source and 8 on the destination
    And the mirror is running
    When 4000 records over 100 keys are produced to orders
    And 500 records have arrived at orders
    And the mirror is killed
    And 1000 records over 100 keys are produced to orders
    And the mirror is started again
    And the mirror has caught up
    Then every record of the source is on the destination
    And records are repeated only where an event explains it
    And no position was committed ahead of its records

  @F9
  Scenario: a mirror that was frozen until others had its partitions loses nothing
    Given the topic orders with 3 partitions on the source and 8 on the destination
    And the mirror is running
    When another instance of the mirror joins
    And 2000 records over 100 keys are produced to orders
    And 500 records have arrived at orders
    And the mirror is frozen
    And 1000 records over 100 keys are produced to orders
    And the mirror goes on after 9 seconds
    And 1000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And records are repeated only where an event explains it
    And every key's records are in the order of the source
    And no position was committed ahead of its records

  @F23 @F27
  Scenario: a second instance that joins and leaves loses nothing, and repeats only what was not committed
    Given the topic orders with 3 partitions on the source and 8 on the destination
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And another instance of the mirror joins
    And 2000 records over 100 keys are produced to orders
    And 3000 records have arrived at orders
    And the other instance leaves
    And 1000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And records are repeated only where an event explains it
    And every key's records are in the order of the source
