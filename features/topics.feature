Feature: The topics that were asked for are copied, and no other
  The list of topics is a regular expression in Java's grammar that must match a topic's whole name,
  with commas for alternatives, as MirrorMaker takes it.

  @F25
  Scenario: a name must match as a whole
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And the topic orders-old with 3 partitions on the source and 3 on the destination
    And the topic my-orders with 1 partition on the source and 1 on the destination
    And the mirror is asked for "orders", which selects orders
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And 500 records over 50 keys are produced to orders-old
    And 500 records over 50 keys are produced to my-orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And nothing is there that was not produced
    And orders-old is empty on the destination
    And my-orders is empty on the destination

  Scenario Outline: several topics by <what>
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And the topic payments with 1 partition on the source and 3 on the destination
    And the topic audit with 1 partition on the source and 1 on the destination
    And the mirror is asked for "<pattern>", which selects orders, payments
    And the mirror is running
    When 1000 records over 100 keys are produced to orders
    And 1000 records over 100 keys are produced to payments
    And 500 records over 50 keys are produced to audit
    And the mirror has caught up
    Then every record of the source is on the destination
    And audit is empty on the destination

    Examples:
      | what        | pattern         |
      | commas      | orders,payments |
      | lookahead   | (?!audit).*     |

    @embedded
    Examples:
      | what        | pattern           |
      | alternation | orders\|payments  |
      | spaces      | orders , payments |
      | quotes      | 'orders,payments' |

  @F13
  Scenario: a topic that appears while the mirror runs is copied from its first record
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And the mirror is asked for "orders.*", which selects orders
    And the mirror is running
    When 500 records over 50 keys are produced to orders
    And the topic orders-new is created with 3 partitions on the source and 8 on the destination
    And orders-new is selected too
    And 2000 records over 100 keys are produced to orders-new
    And the mirror has caught up
    Then every record of the source is on the destination
    And nothing is there that was not produced

  @F13 @only-mirror
  Scenario: a topic that appears later is copied from its first record, even by a mirror that began at the end
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And the mirror is asked for "orders.*", which selects orders
    And the mirror begins at the end of what is there
    And the mirror is running
    When 500 records over 50 keys are produced to orders
    And the topic orders-new is created with 3 partitions on the source and 8 on the destination
    And orders-new is selected too
    And 2000 records over 100 keys are produced to orders-new
    And the mirror has caught up
    Then every record of the source is on the destination
    And nothing is there that was not produced

  @F53 @embedded
  Scenario: the destination creates a missing topic with a partition count of its own
    Given the topic orders with 8 partitions on the source and none on the destination
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And every key's records are in the order of the source
    And the destination has 4 partitions of orders

  @F53 @containers @only-mirror
  Scenario: a missing topic that the destination does not create is an error, and nothing is lost
    Given the topic orders with 3 partitions on the source and none on the destination
    And 2000 records over 100 keys are produced to orders
    When the mirror is started
    And the mirror has ended by itself, saying "orders"
    And the topic orders is created with 8 partitions on the destination
    And the mirror is started again
    And the mirror has caught up
    Then every record of the source is on the destination
    And no record is repeated
    And no position was committed ahead of its records

  @containers @copied-configs
  Scenario: a mirror that copies settings creates a topic with those of the source
    Given the topic orders with 3 partitions on the source and none on the destination
    And orders has max.message.bytes set to 2000000 on the source
    And orders has retention.ms set to -1 on the source
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then the settings that the mirror promises to copy are the same on both sides
    And every record of the source is on the destination
