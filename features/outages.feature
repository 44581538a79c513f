@containers @disturbs @only-mirror
Feature: Outages are outlived
  Brokers die, come back, hand leadership over, and whole clusters are away for a while. A mirror
  waits, loses nothing, and goes on by itself when they are back.

  @two-brokers @F20
  Scenario: each side is away for a minute, and for half of it so is the other
    Given the topic orders with 8 partitions on the source and 3 on the destination
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And all brokers of the destination are killed
    And 2000 records over 100 keys are produced to orders
    And 30 seconds pass
    And all brokers of the source are killed
    And 30 seconds pass
    And all brokers of the destination are started again
    And 24 seconds pass
    And all brokers of the source are started again
    And 2000 records over 100 keys are produced to orders
    And the mirror has caught up
    Then every record of the source is on the destination
    And every key's records are in the order of the source
    And records are repeated only where an event explains it
    And nothing is there that was not produced

  @three-brokers @F5
  Scenario: all brokers of both sides are restarted one by one, group coordinator and leaders among them
    Given the topic orders with 8 partitions on the source and 3 on the destination
    And the mirror is running
    When 4000 records over 100 keys are produced to orders
    And broker 1 of the destination is killed
    And broker 1 of the source is killed
    And 4000 records over 100 keys are produced to orders
    And broker 1 of the destination is started again
    And broker 1 of the source is started again
    And 4000 records over 100 keys are produced to orders
    And broker 2 of the destination is killed
    And broker 2 of the source is killed
    And 4000 records over 100 keys are produced to orders
    And broker 2 of the destination is started again
    And broker 2 of the source is started again
    And 4000 records over 100 keys are produced to orders
    And broker 3 of the destination is killed
    And broker 3 of the source is killed
    And 4000 records over 100 keys are produced to orders
    And 24000 records have arrived at orders
    And broker 3 of the destination is started again
    And broker 3 of the source is started again
    And the mirror has caught up
    Then every record of the source is on the destination
    And every key's records are in the order of the source
    And records are repeated only where an event explains it
    And nothing is there that was not produced
