Feature: Aborted records are not copied
  What a producer has aborted is on the source's disk and no part of its data. A mirror that copies
  it makes visible what was never said.

  @F55 @F60 @containers
  Scenario: a third of the transactions is aborted
    Given the topic orders with 3 partitions on the source and 3 on the destination
    And the mirror is running
    When 3000 records over 100 keys are produced to orders in transactions of 20, 33 percent of them aborted
    And the mirror has caught up
    Then every record of the source is on the destination
    And nothing is there that was not produced
    And no record is repeated
    And at least 2000 records were judged
