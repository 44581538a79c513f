Feature: The records of a key stay in order
  The key of a record is kept, therefore all records of a key that come from one partition of the
  source lie in one partition of the destination, in the order of the source, however many
  partitions the two sides have. Between different keys no order is promised.

  @F1 @F2 @F36
  Scenario Outline: the order of every key is kept from <source> to <destination> partitions
    Given the topic orders with <source> partitions on the source and <destination> on the destination
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every key's records are in the order of the source
    And every record is in the partition where Java's producers put its key
    And at least 2000 records over 100 keys were judged, in every reachable pair of partitions

    Examples:
      | source | destination |
      | 1      | 3           |
      | 3      | 8           |
      | 8      | 3           |
      | 8      | 8           |

    @embedded
    Examples:
      | source | destination |
      | 1      | 1           |
      | 1      | 8           |
      | 3      | 1           |
      | 3      | 3           |
      | 8      | 1           |

  @F2 @F3 @F4 @F7
  Scenario Outline: the order is kept whatever the keys are: <mix>
    Given the topic orders with 8 partitions on the source and 3 on the destination
    And the mirror is running
    When 2000 records of the mix "<mix>" are produced to orders
    And the mirror has caught up
    Then every key's records are in the order of the source
    And every record is in the partition where Java's producers put its key
    And at least 2000 records were judged

    Examples:
      | mix        |
      | everything |
      | hot keys   |

    @embedded
    Examples:
      | mix                        |
      | one key                    |
      | varied keys                |
      | the empty key              |
      | one key in many partitions |
      | several producers          |

  @F27
  Scenario: after a kill a key's records are repeated in order, and its last record is the latest
    Given the topic orders with 3 partitions on the source and 8 on the destination
    And the mirror is running
    When 4000 records over 100 keys are produced to orders
    And 500 records have arrived at orders
    And the mirror is killed
    And the mirror is started again
    And the mirror has caught up
    Then every key's records are in the order of the source
    And records are repeated only where an event explains it

  @F10 @only-mirror
  Scenario Outline: a mirror that keeps partition numbers keeps each partition's order: <source> to <destination>
    Given the topic orders with <source> partitions on the source and <destination> on the destination
    And the mirror keeps partition numbers
    And the mirror is running
    When 2000 records of the mix "everything" are produced to orders
    And the mirror has caught up
    Then every record is in the partition it had on the source
    And every key's records are in the order of the source
    And every record of the source is on the destination

    Examples:
      | source | destination |
      | 3      | 8           |

    @embedded
    Examples:
      | source | destination |
      | 3      | 3           |
      | 8      | 8           |

  @F7 @F36 @containers
  Scenario: after the destination has grown, keys move to where Java's producers put them now
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And 2000 records have arrived at orders
    And orders grows to 8 partitions on the destination
    And 2000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every key's records are in the order of the source
    And every record is in the partition where Java's producers put its key
    And at least 4000 records were judged
