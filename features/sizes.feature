Feature: What the destination does not take is named
  Each topic takes batches up to a size of its own. A producer that gathers larger ones is refused
  whole batches, and records that are small enough must not be lost or stuck with them. A record that
  is too large by itself, or refused for what it is, is named; nothing overtakes it, and no position is
  committed beyond it.

  @containers @F21
  Scenario: many small records arrive at a topic that takes only small batches
    Given the topic orders with 1 partition on the source and 1 on the destination
    And orders takes at most 100000 bytes a batch on the destination
    And 10000 records over 100 keys are produced to orders
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And every key's records are in the order of the source
    And no record is repeated

  @containers @only-mirror @F21 @F22
  Scenario: a record that is too large stops the mirror, and arrives once the destination takes it
    Given the topic orders with 1 partition on the source and 1 on the destination
    And orders takes at most 100000 bytes a batch on the destination
    And 1000 records of the mix "large values" are produced to orders
    When the mirror is started
    And the mirror has ended by itself, saying "raise max.message.bytes of"
    And orders takes at most 1048588 bytes a batch on the destination
    And the mirror is started again
    And the mirror has caught up
    Then every record of the source is on the destination
    And records are repeated only where an event explains it
    And no position was committed ahead of its records

  @containers @only-mirror @F21
  Scenario: a record that is refused for what it is stops the mirror, and arrives once it is taken
    Given the topic orders with 1 partition on the source and 1 on the destination
    And 1000 records over 20 keys are produced to orders
    And the mirror is running
    When orders has cleanup.policy set to compact on the destination
    And 1000 records of the mix "null keys" are produced to orders
    And the mirror has ended by itself, saying "no record without a key"
    And orders has cleanup.policy set to delete on the destination
    And the mirror is started again
    And the mirror has caught up
    Then every record of the source is on the destination
    And every key's records are in the order of the source
    And records are repeated only where an event explains it
    And no position was committed ahead of its records
