Feature: Nothing changes on the way
  A copy equals its record byte for byte: key, value, headers and timestamp. Null is not empty,
  headers keep their order and their repetitions, and nothing takes bytes for text.

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
