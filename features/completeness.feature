Feature: Nothing is lost
  A mirror copies every record that the source holds: whatever its key, value or size, however many
  partitions the two sides have, and whatever happened to the mirror meanwhile. Equal counts and a
  lag of zero would not show it, because a loss and a repeat cancel out.

  @F58 @F59
  Scenario Outline: every record arrives from <source> to <destination> partitions
    Given the topic orders with <source> partitions on the source and <destination> on the destination
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And no record is repeated
    And nothing is there that was not produced
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

  @F24 @F44 @F48 @F49
  Scenario Outline: every record arrives unchanged, whatever it carries: <mix>
    Given the topic orders with 3 partitions on the source and 8 on the destination
    And the mirror is running
    When 2000 records of the mix "<mix>" are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And every copy equals its record in key, value, headers and timestamp
    And nothing is there that was not produced
    And at least 2000 records were judged

    Examples:
      | mix              |
      | everything       |
      | tombstones       |
      | large values     |

    @embedded
    Examples:
      | mix                        |
      | null keys                  |
      | hot keys                   |
      | one key                    |
      | several producers          |
      | one key in many partitions |
      | no headers                 |
      | old timestamps             |

  @F12
  Scenario: records that were there before the mirror arrive too
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And 1000 records over 100 keys are produced to orders
    And the mirror is running
    When 1000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And nothing is there that was not produced

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
    And records are repeated only where the kill explains it
    And no position was committed ahead of its records

  @F11
  Scenario: with its own commit interval nothing is committed ahead, and all of it in the end
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And the mirror commits as often as it does by default
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And no position was committed ahead of its records

  @containers
  Scenario: several streams share the work
    Given the topic orders with 8 partitions on the source and 3 on the destination
    And the mirror runs with 4 streams
    And the mirror is running
    When 4000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And nothing is there that was not produced
