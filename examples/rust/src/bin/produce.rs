//! A service that writes cells: lines of tenant, number and members, with tabs between them, from
//! stdin. The number `-` clears. Region is the first member here.
//!
//!     produce BROKERS TOPIC < LINES

use std::error::Error;
use std::io::stdin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use example::coordinate;
use example::event::{AtomEvent, AtomEventArgs, EventType, FlatMolecule, FlatMoleculeArgs};
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer,
};
use rdkafka::{ClientConfig, ClientContext};
use uuid::Uuid;

/// One event carries neighbouring writes of one tenant and region, at most so many.
const CELLS_PER_EVENT: usize = 1000;

struct Write {
    tenant: String,
    number: Option<f64>, // None clears the cell
    members: Vec<String>,
}

impl Write {
    fn parse(line: &str) -> Result<Write, Box<dyn Error>> {
        let mut words = line.split('\t').map(str::to_string);
        let (Some(tenant), Some(number)) = (words.next(), words.next()) else {
            return Err(format!("{line:?}: a line is tenant, number and members").into());
        };
        let number = if number == "-" { None } else { Some(number.parse()?) };
        Ok(Write { tenant, number, members: words.collect() })
    }

    fn together(&self, other: &Write) -> bool {
        self.tenant == other.tenant && self.members.first() == other.members.first()
    }
}

#[derive(Default)]
struct Failures(AtomicU64);

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult, _: ()) {
        if let Err((error, _)) = result {
            eprintln!("not delivered: {error}");
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn molecule<'a>(
    builder: &mut FlatBufferBuilder<'a>,
    write: &Write,
) -> WIPOffset<FlatMolecule<'a>> {
    let hash = coordinate(write.members.iter().map(String::as_str)).to_le_bytes();
    let hash = builder.create_vector(&hash);
    FlatMolecule::create(
        builder,
        &FlatMoleculeArgs {
            coordinate_hash: Some(hash),
            numeric_value: write.number, // a zero is written too, and None is not
            ..Default::default()
        },
    )
}

fn event(builder: &mut FlatBufferBuilder, writes: &[Write], nanoseconds: i64) {
    builder.reset();
    let molecules: Vec<_> = writes.iter().map(|write| molecule(builder, write)).collect();
    let args = AtomEventArgs {
        event_id: Some(builder.create_string(&Uuid::now_v7().to_string())),
        timestamp: nanoseconds,
        type_: EventType::MOLECULE_WRITE,
        tenant_id: Some(builder.create_string(&writes[0].tenant)),
        molecules: Some(builder.create_vector(&molecules)),
        region: writes[0].members.first().map(|region| builder.create_string(region)),
        ..Default::default()
    };
    let root = AtomEvent::create(builder, &args);
    builder.finish(root, None);
}

fn send(
    producer: &ThreadedProducer<Failures>,
    topic: &str,
    tenant: &str,
    event: &[u8],
    time: Duration,
) -> Result<(), KafkaError> {
    let kind = OwnedHeaders::new().insert(Header { key: "type", value: Some("1") });
    let mut record = BaseRecord::to(topic)
        .key(tenant)
        .payload(event)
        .timestamp(time.as_millis() as i64)
        .headers(kind);
    loop {
        match producer.send(record) {
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), same)) => {
                record = same;
                std::thread::sleep(Duration::from_millis(1));
            }
            Err((error, _)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().collect();
    let [_, brokers, topic] = &words[..] else {
        return Err("usage: produce BROKERS TOPIC < LINES".into());
    };
    let producer: ThreadedProducer<Failures> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        // FNV-1a of the key, as every other writer has it: the tenant's partition.
        .set("partitioner", "fnv1a_random")
        .set("enable.idempotence", "true")
        .set("linger.ms", "10")
        .create_with_context(Failures::default())?;
    let lines: Result<Vec<_>, _> = stdin().lines().map(|line| Write::parse(&line?)).collect();
    let mut builder = FlatBufferBuilder::new();
    for group in lines?.chunk_by(Write::together) {
        for writes in group.chunks(CELLS_PER_EVENT) {
            let now = SystemTime::UNIX_EPOCH.elapsed()?;
            event(&mut builder, writes, now.as_nanos() as i64);
            send(&producer, topic, &writes[0].tenant, builder.finished_data(), now)?;
        }
    }
    producer.flush(Duration::from_secs(60))?;
    match producer.context().0.load(Ordering::Relaxed) {
        0 => Ok(()),
        failed => Err(format!("{failed} events were not delivered").into()),
    }
}
