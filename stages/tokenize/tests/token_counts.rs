//! `transform` counts tokens without the library `tokenizers`, so as not to build it into the light worker. Its counts are held
//! here against the library's: over every character, over drawn text, and over conversations in chat form.

use std::sync::LazyLock;

use dataset::token_counter::TokenCounter;
use dataset::words::words;
use dataset::{Message, Role};
use proptest::prelude::*;
use tokenize::vocabulary;
use tokenizers::Tokenizer;
use tokens::chat::Fitted;
use tokens::{ChatEncoder, ChatTemplate, Learn};

const TEXTS: [&str; 4] = [
    r#"network: tcp LISTEN 8080, 0.0.0.0:8080, uid "", exe /usr/sbin/nginx; new; it's the host's 2nd"#,
    r#"{"risk":86,"severity":"critical","rationale":"runs from /tmp/.x/miner, deleted; we'll see"}"#,
    "f1 suid_sgid: /usr/local/bin/tool; known\nf2 suid_sgid: /usr/bin/pkexec; known\n\n... and 12 more",
    "  Größe:\t12 345 日本語 naïve \u{1F980}\u{200D} \r\n x",
];

fn conversation() -> Vec<Message> {
    let roles = [Role::System, Role::User, Role::Assistant, Role::User].into_iter();
    roles.zip(TEXTS).map(|(role, text)| Message { role, content: text.repeat(3) }).collect()
}

/// The library's tokenizer and ours on the same file.
fn both(ignore_merges: bool) -> (Tokenizer, TokenCounter) {
    let trained = vocabulary::train(&[conversation()], 600).unwrap();
    let mut file: serde_json::Value = serde_json::from_str(&trained.to_string(false).unwrap()).unwrap();
    file["model"]["ignore_merges"] = ignore_merges.into();
    if ignore_merges {
        // Words that no merge makes.
        for (id, word) in ["Zq7", "\u{120}xyzzy"].iter().enumerate() {
            file["model"]["vocab"][word] = (5_000 + id).into();
        }
    }
    let text = file.to_string();
    let mut library = Tokenizer::from_bytes(text.as_bytes()).unwrap();
    library.set_encode_special_tokens(true);
    (library, TokenCounter::of(text.as_bytes()).unwrap())
}

fn check((library, counter): &(Tokenizer, TokenCounter), text: &str) {
    assert_eq!(counter.text(text), library.encode_fast(text, false).unwrap().len(), "{text:?}");
}

/// Words, not counts: two wrong cuts can have the right count.
#[test]
fn every_character_is_cut_as_the_library_cuts_it() {
    let (library, _) = both(false);
    let library = library.get_pre_tokenizer().unwrap();
    for c in characters() {
        let text = format!("a{c}b1{c}. {c}\n'{c}x{c}{c}{c}'L{c}");
        let mut cut = tokenizers::PreTokenizedString::from(text.as_str());
        tokenizers::PreTokenizer::pre_tokenize(library, &mut cut).unwrap();
        let splits = cut.get_splits(tokenizers::OffsetReferential::Original, tokenizers::OffsetType::Byte);
        let expected: Vec<&str> = splits.iter().map(|(_, (start, end), _)| &text[*start..*end]).collect();
        assert_eq!(words(&text).collect::<Vec<_>>(), expected, "{:x}", c as u32);
    }
}

/// All characters, but few of the blocks that are ideographs, private or not assigned throughout.
fn characters() -> impl Iterator<Item = char> {
    let uniform =
        [0x3400..0xa000, 0xac00..0xd7a0, 0xe000..0xf900, 0x17000..0x1af00, 0x20000..0xe0000, 0xe0200..0x110000];
    let few = move |code: &u32| code.is_multiple_of(251) || uniform.iter().all(|block| !block.contains(code));
    (0..0x110000).filter(few).filter_map(char::from_u32)
}

#[test]
fn conversations_have_the_length_that_they_are_encoded_with() {
    let (library, counter) = both(false);
    let messages = conversation();
    let counted = counter.conversation(messages.iter().map(|message| (message.role.name(), message.content.as_str())));
    assert_eq!(counter.vocabulary, library.get_vocab_size(true));
    let encoder = ChatEncoder::new(library, ChatTemplate::shipped()).unwrap();
    let Fitted::Whole(example) = encoder.fit(&messages, Learn::All, usize::MAX).unwrap() else { unreachable!() };
    assert_eq!(counted, example.ids.len());
}

#[test]
fn whole_words_count_once_where_merges_are_ignored() {
    let both = both(true);
    check(&both, "Zq7 xyzzy Zq xyzzy7 LISTEN");
    assert_eq!(both.1.text(" xyzzy"), 1);
}

proptest! {
    #[test]
    fn any_text_has_the_same_count(text in "(?s).{0,60}", blanks in r"[ \t\r\nab'\.1\u{a0}]{0,40}") {
        static BOTH: LazyLock<[(Tokenizer, TokenCounter); 2]> = LazyLock::new(|| [false, true].map(both));
        for both in &*BOTH {
            check(both, &text);
            check(both, &blanks);
            check(both, &format!("{blanks}<|eot_id|>{text}"));
        }
    }
}
