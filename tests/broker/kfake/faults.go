package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func begin(cluster *kfake.Cluster, order command) (fault, error) {
	if order.Count == 0 {
		order.Count = 1
	}
	key := kmsg.Key(order.Key)
	switch order.Do {
	case "refuse":
		err, ok := kerr.ErrorForCode(order.Code).(*kerr.Error)
		if !ok || err.Code != order.Code {
			return nil, fmt.Errorf("no error has the code %d", order.Code)
		}
		return cluster.Fault(kfake.Fault{
			Keys:       []kmsg.Key{key},
			Topic:      order.Topic,
			Partitions: order.Partitions,
			Err:        err,
			Count:      order.Count,
			When:       order.chooses,
		}), nil
	case "blame":
		return control(cluster, kmsg.Produce, order, blame(order)), nil
	case "drop":
		return control(cluster, key, order, drop), nil
	case "delay":
		// What a broker that throttles does: it does not read from the connection for so long.
		return control(cluster, key, order, func(kmsg.Request) (kmsg.Response, error, bool) {
			cluster.SleepControl(func() { time.Sleep(time.Duration(order.Millis) * time.Millisecond) })
			return nil, nil, false
		}), nil
	case "fence":
		return control(cluster, kmsg.Metadata, order, withoutBrokers), nil
	}
	return nil, fmt.Errorf("unknown command %q", order.Do)
}

type handler = func(kmsg.Request) (kmsg.Response, error, bool)

// A fault that kfake has no type for.
type controlled struct {
	left    atomic.Int64 // below zero without end
	hits    atomic.Int64
	removed atomic.Bool
}

func (c *controlled) Hits() int { return int(c.hits.Load()) }
func (c *controlled) Remove()   { c.removed.Store(true) }

// A control stays when it is over: kfake passes over the one behind a control that it removes, and the
// request that another fault waits for would get through.
func control(cluster *kfake.Cluster, key kmsg.Key, order command, handle handler) *controlled {
	state := &controlled{}
	state.left.Store(int64(order.Count))
	cluster.ControlKey(int16(key), func(request kmsg.Request) (kmsg.Response, error, bool) {
		if state.removed.Load() || state.left.Load() == 0 || !order.chooses(request) {
			return nil, nil, false
		}
		cluster.KeepControl()
		state.left.Add(-1)
		state.hits.Add(1)
		return handle(request)
	})
	return state
}

func drop(kmsg.Request) (kmsg.Response, error, bool) {
	return nil, errors.New("the connection is cut"), true
}

// As a broker answers that its controller has just fenced.
func withoutBrokers(request kmsg.Request) (kmsg.Response, error, bool) {
	response := request.ResponseKind().(*kmsg.MetadataResponse)
	response.ControllerID = -1
	for _, asked := range request.(*kmsg.MetadataRequest).Topics {
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = asked.Topic
		topic.TopicID = asked.TopicID
		topic.ErrorCode = kerr.LeaderNotAvailable.Code
		response.Topics = append(response.Topics, topic)
	}
	return response, nil, true
}

// Refuses a batch and names the records that are to blame, as Kafka does since KIP-467.
func blame(order command) handler {
	return func(request kmsg.Request) (kmsg.Response, error, bool) {
		response := request.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range request.(*kmsg.ProduceRequest).Topics {
			answered := kmsg.NewProduceResponseTopic()
			answered.Topic = topic.Topic
			answered.TopicID = topic.TopicID
			for _, partition := range topic.Partitions {
				refused := kmsg.NewProduceResponseTopicPartition()
				refused.Partition = partition.Partition
				refused.ErrorCode = order.Code
				for at, record := range records(partition) {
					if bytes.Contains(record.Value, order.Contains) {
						named := kmsg.NewProduceResponseTopicPartitionErrorRecord()
						named.RelativeOffset = int32(at)
						named.ErrorMessage = kmsg.StringPtr("this record is to blame")
						refused.ErrorRecords = append(refused.ErrorRecords, named)
					}
				}
				answered.Partitions = append(answered.Partitions, refused)
			}
			response.Topics = append(response.Topics, answered)
		}
		return response, nil, true
	}
}

// A request of librdkafka has one batch of one partition, so the batch decides about the request.
func (order command) chooses(request kmsg.Request) bool {
	switch request := request.(type) {
	case *kmsg.MetadataRequest:
		return order.Topic == "" || slices.ContainsFunc(request.Topics,
			func(topic kmsg.MetadataRequestTopic) bool {
				return topic.Topic != nil && *topic.Topic == order.Topic
			})
	case *kmsg.ProduceRequest:
		return slices.ContainsFunc(request.Topics, order.choosesTopic)
	}
	return true
}

func (order command) choosesTopic(topic kmsg.ProduceRequestTopic) bool {
	return (order.Topic == "" || topic.Topic == order.Topic) &&
		slices.ContainsFunc(topic.Partitions, order.choosesBatch)
}

func (order command) choosesBatch(partition kmsg.ProduceRequestTopicPartition) bool {
	if order.Partitions != nil && !slices.Contains(order.Partitions, partition.Partition) {
		return false
	}
	if order.Contains == nil && order.AtLeast == 0 {
		return true
	}
	found := records(partition)
	return len(found) >= order.AtLeast && slices.ContainsFunc(found,
		func(record kmsg.Record) bool { return bytes.Contains(record.Value, order.Contains) })
}

func records(partition kmsg.ProduceRequestTopicPartition) []kmsg.Record {
	var batch kmsg.RecordBatch
	if err := batch.ReadFrom(partition.Records); err != nil {
		return nil
	}
	found, err := kfake.BatchRecords(batch)
	if err != nil {
		return nil
	}
	return found
}
