Feature: Offsets are not interchangeable
  A record has another offset on the destination than on the source, so a consumer that goes on at
  the destination with its source offsets skips records or reads them twice. Mirroring alone is no
  means of failing over.

  @F35 @F37
  Scenario: the destination already held other records
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And 200 earlier records in each partition of orders on the destination
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And the mirror has caught up
    And an application has read 50 percent of orders on the source
    And the application goes on at the destination with its source offsets
    Then it skips records or reads them twice, exactly as the placements say
    And every record of the source is on the destination

  @F36
  Scenario Outline: the sides have other partition counts: <source> and <destination>
    Given the topic orders with <source> partitions on the source and <destination> on the destination
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And the mirror has caught up
    And an application has read 40 percent of orders on the source
    And the application goes on at the destination with its source offsets
    Then it skips records or reads them twice, exactly as the placements say
    And every record of the source is on the destination

    Examples:
      | source | destination |
      | 3      | 8           |
      | 8      | 3           |

  @F35
  Scenario: a kill made the mirror repeat records, and the numbers shift
    Given the topic orders with 3 partitions on the source and 1 on the destination
    And the mirror is running
    When 3000 records over 100 keys are produced to orders
    And 500 records have arrived at orders
    And the mirror is killed
    And the mirror is started again
    And the mirror has caught up
    And an application has read 50 percent of orders on the source
    And the application goes on at the destination with its source offsets
    Then it skips records or reads them twice, exactly as the placements say

  @F32 @containers
  Scenario: the source no longer begins at offset 0
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And 1000 records over 100 keys are produced to orders
    And all that orders holds on the source has expired
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And the mirror has caught up
    And an application has read 50 percent of orders on the source
    And the application goes on at the destination with its source offsets
    Then it skips records or reads them twice, exactly as the placements say
    And every record of the source is on the destination

  @F33 @F60 @containers
  Scenario: transactions leave their markers on the source
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And the mirror is running
    When 2000 records over 100 keys are produced to orders in transactions of 20
    And the mirror has caught up
    And an application has read 50 percent of orders on the source
    And the application goes on at the destination with its source offsets
    Then it skips records or reads them twice, exactly as the placements say
    And every record of the source is on the destination

  @translated-offsets
  Scenario: a mirror that translates offsets lets an application go on where it was
    Given the topic orders with 1 partition on the source and 3 on the destination
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And 2000 records have arrived at orders
    And an application has read 20 percent of orders on the source
    And the mirror has carried its position over to the destination
    And the mirror has caught up
    Then an application that goes on there skips nothing, and gets no more again than is promised
    And every record of the source is on the destination
