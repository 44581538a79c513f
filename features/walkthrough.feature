@containers @exclusive @walkthrough
Feature: The article's walkthrough works as printed
  Two clusters of three brokers and three ZooKeepers each; a topic on both; MirrorMaker beside the
  destination; lines typed into a console producer at the source come out of a console consumer at
  the destination. As printed, with Kafka 1.1 and its own MirrorMaker; with our mirror reading the
  same consumer.properties; and with Kafka 3.9, whose tools ask the brokers instead of ZooKeeper.

  @kafka-1.1 @F53
  Scenario: with Kafka 1.1, whose tools and properties name ZooKeeper
    When this is run on the source
      """
      kafka-topics.sh --create --replication-factor 2 --partitions 8 --topic testtopic --zookeeper $SOURCE_ZKHOSTS
      """
    And this is run on the source
      """
      kafka-topics.sh --list --zookeeper $SOURCE_ZKHOSTS
      """
    Then it shows testtopic
    When this is run on the destination
      """
      kafka-topics.sh --create --replication-factor 2 --partitions 3 --topic testtopic --zookeeper $DEST_ZKHOSTS
      """
    And the topic testtopic is to be mirrored
    And the mirror is started as the article says
    And these lines are typed on the source into "kafka-console-producer.sh --broker-list $SOURCE_BROKERHOSTS --topic testtopic"
      """
      the quick brown fox
      jumps over the lazy dog
      über den Fluss
      a line with   blanks at its end
      the last line
      """
    And the mirror has caught up
    Then "kafka-console-consumer.sh --zookeeper $DEST_ZKHOSTS --topic testtopic --from-beginning" on the destination shows the same lines
    And every record of the source is on the destination
    And nothing is there that was not produced
    And at least 5 records were judged
    When this is run on the destination
      """
      kafka-topics.sh --list --zookeeper $DEST_ZKHOSTS
      """
    Then it shows testtopic

  @three-brokers
  Scenario: with Kafka 3.9, whose tools ask the brokers
    When this is run on the source
      """
      kafka-topics.sh --create --replication-factor 2 --partitions 8 --topic testtopic --bootstrap-server $SOURCE_BROKERHOSTS
      """
    And this is run on the source
      """
      kafka-topics.sh --list --bootstrap-server $SOURCE_BROKERHOSTS
      """
    Then it shows testtopic
    When this is run on the destination
      """
      kafka-topics.sh --create --replication-factor 2 --partitions 3 --topic testtopic --bootstrap-server $DEST_BROKERHOSTS
      """
    And the topic testtopic is to be mirrored
    And the mirror is started as the article says
    And these lines are typed on the source into "kafka-console-producer.sh --bootstrap-server $SOURCE_BROKERHOSTS --topic testtopic"
      """
      the quick brown fox
      jumps over the lazy dog
      über den Fluss
      the last line
      """
    And the mirror has caught up
    Then "kafka-console-consumer.sh --bootstrap-server $DEST_BROKERHOSTS --topic testtopic --from-beginning" on the destination shows the same lines
    And every record of the source is on the destination
    And nothing is there that was not produced
    And at least 4 records were judged

  @three-brokers @disturbs
  Scenario: with three brokers a side, one of them can die
    Given the topic orders with 8 partitions on the source and 3 on the destination
    And the mirror is running
    When 2000 records over 100 keys are produced to orders
    And broker 1 of the destination is killed
    And 2000 records over 100 keys are produced to orders
    And 4000 records have arrived at orders
    And broker 1 of the destination is started again
    And the mirror has caught up
    Then every record of the source is on the destination
    And every key's records are in the order of the source
    And nothing is there that was not produced
