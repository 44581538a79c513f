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

  @F12
  Scenario: records that were there before the mirror arrive too
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And 1000 records over 100 keys are produced to orders
    And the mirror is running
    When 1000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And nothing is there that was not produced

  @F11
  Scenario: with its own commit interval nothing is committed ahead, and all of it in the end
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And the mirror commits as often as it does by default
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And no position was committed ahead of its records

  @F27
  Scenario: several streams share the work
    Given the topic orders with 8 partitions on the source and 3 on the destination
    And the mirror runs with 4 streams
    And the mirror is running
    When 4000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And nothing is there that was not produced

  @F14 @F15 @containers
  Scenario: partitions that are added to the source are copied from their first record on
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And the mirror is running
    When 1000 records over 100 keys are produced to orders
    And orders grows to 6 partitions on the source
    And 2000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And records are repeated only where an event explains it
    And at least 3000 records were judged

  @F16 @F58 @containers
  Scenario: what retention took before it was copied is not passed over in silence
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And the mirror is running
    When 1000 records over 100 keys are produced to orders
    And the mirror is stopped
    And 1000 records over 100 keys are produced to orders
    And all that orders holds on the source is deleted before the mirror could copy it
    And 500 records over 100 keys are produced to orders
    And the mirror is started
    And the mirror has ended by itself with an error
    And an operator sets the mirror's positions in orders behind what is gone
    And the mirror is started again
    And 500 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination

  @F17 @containers @only-mirror
  Scenario: a topic that is made anew while the mirror runs is not read on from the old position in silence
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And the mirror is running
    When 1000 records over 100 keys are produced to orders
    And 1000 records have arrived at orders
    And orders is deleted and made anew with 3 partitions on the source
    And 3000 records over 100 keys are produced to orders
    And the mirror has ended by itself, saying "deleted and made anew"
    And the mirror goes on when records are lost
    And the mirror is started again
    And 500 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And nothing is there that was not produced
    And at least 3500 records were judged

  @F17 @containers @only-mirror
  Scenario Outline: a topic that is made anew with <partitions> partitions is copied from its first record if losses are accepted
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And the mirror goes on when records are lost
    And the mirror is running
    When 1000 records over 100 keys are produced to orders
    And 1000 records have arrived at orders
    And orders is deleted and made anew with <partitions> partitions on the source
    And 3000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And nothing is there that was not produced
    And at least 3000 records were judged

    Examples:
      | partitions |
      | 3          |
      | 2          |

  @F17 @containers @only-mirror
  Scenario: a topic that is made anew with fewer partitions while the mirror runs is not passed over in silence
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And the mirror is running
    When 1000 records over 100 keys are produced to orders
    And 1000 records have arrived at orders
    And orders is deleted and made anew with 2 partitions on the source
    And 3000 records over 100 keys are produced to orders
    And the mirror has ended by itself, saying "deleted and made anew"
    And the mirror goes on when records are lost
    And the mirror is started again
    And 500 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And nothing is there that was not produced
    And at least 3500 records were judged

  @F17 @containers
  Scenario: a topic that was made anew while the mirror was stopped is copied from its first record
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And the mirror is running
    When 1000 records over 100 keys are produced to orders
    And 1000 records have arrived at orders
    And the mirror is stopped
    And orders is deleted and made anew with 3 partitions on the source
    And 3000 records over 100 keys are produced to orders
    And the mirror is started again
    And 500 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And nothing is there that was not produced
    And at least 3500 records were judged
