//! The bytes of releases: kept as they were put, under the digest that they were put under.

use croupier::identity::ReleaseDigest;

use super::{Subject, reopened};

/// Bytes without a pattern that a store could make small.
fn bytes(count: usize, mark: u32) -> Vec<u8> {
    let mut state = mark.wrapping_mul(2_654_435_761) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(count).collect()
}

pub(crate) async fn a_release_is_kept_as_it_was_put(subject: &dyn Subject) {
    let store = subject.open().await;
    // Sizes around those in which a store may divide it.
    let sizes = [0, 1, 100, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20];
    let releases: Vec<_> = sizes.iter().zip(0..).map(|(size, mark)| bytes(*size, mark)).collect();
    for bytes in &releases {
        let release = ReleaseDigest::of(bytes);
        assert_eq!(store.release(&release).await, Ok(None));
        store.put_release(&release, bytes).await.unwrap();
    }
    for bytes in &releases {
        let kept = store.release(&ReleaseDigest::of(bytes)).await.unwrap();
        assert!(kept.as_ref() == Some(bytes), "{} bytes", bytes.len());
    }
    assert_eq!(store.release(&ReleaseDigest::of(b"another")).await, Ok(None));
}

pub(crate) async fn the_newest_bytes_take_the_place_of_others(subject: &dyn Subject) {
    let store = subject.open().await;
    let release = ReleaseDigest::of(b"release");
    // A store leaves to others whether the bytes are those of the digest.
    for (size, mark) in [(10, 0), (3 << 20, 1), (3 << 20, 2), (3 << 20, 2), (20, 3), (0, 4), (2 << 20, 5)] {
        let bytes = bytes(size, mark);
        store.put_release(&release, &bytes).await.unwrap();
        assert!(store.release(&release).await.unwrap().as_ref() == Some(&bytes), "{size} bytes");
    }
}

pub(crate) async fn releases_outlive_a_restart(subject: &dyn Subject) {
    let mut store = subject.open().await;
    let releases = [b"one".to_vec(), bytes(3 << 20, 1), Vec::new()];
    for bytes in &releases {
        store.put_release(&ReleaseDigest::of(bytes), bytes).await.unwrap();
    }
    for _ in 0..2 {
        store = reopened(subject, store).await;
        for bytes in &releases {
            assert!(store.release(&ReleaseDigest::of(bytes)).await.unwrap().as_ref() == Some(bytes));
        }
    }
}
