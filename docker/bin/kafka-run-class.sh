#!/bin/bash
# Runs a class of Kafka, like Kafka's own script of this name and with the same variables.
# A short JVM start counts for more here than peak throughput: one compiler tier, one collector thread.
if [ $# -eq 0 ]; then
    echo "USAGE: ${0##*/} classname [opts]" >&2
    exit 1
fi
kafka=$(dirname "$(readlink -f "$0")")/..
exec java ${KAFKA_HEAP_OPTS:--Xmx256m} \
    ${KAFKA_JVM_PERFORMANCE_OPTS:--XX:+UseSerialGC -XX:TieredStopAtLevel=1} \
    ${KAFKA_LOG4J_OPTS:--Dlog4j.configuration=file:$kafka/config/tools-log4j.properties} \
    -cp "${CLASSPATH:+$CLASSPATH:}$kafka/libs/*" $KAFKA_OPTS "$@"
