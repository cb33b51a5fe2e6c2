//! Trains the tokenizer: byte-level BPE behind Llama 3's split of text into words.
//!
//! The split is Llama 3's to the letter, so that llama.cpp (`tokenizer.ggml.pre = llama-bpe`) cuts text the same way.

use contract::StageError;
use dataset::Message;
use dataset::words::LLAMA_3_SPLIT;
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::PostProcessorWrapper;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer, TokenizerBuilder};
use tokens::ChatTemplate;
use tokens::chat_template::End;
use tokens::template::Special;

/// The special tokens and one token for each byte: below this no vocabulary can be.
pub const SMALLEST: usize = 256 + Special::ALL.len();

/// A tokenizer of at most `vocab_size` tokens, trained on `conversations`; the same for the same conversations.
pub fn train(conversations: &[Vec<Message>], vocab_size: usize) -> Result<Tokenizer, StageError> {
    let specials = Special::ALL.map(|special| AddedToken::from(special.text(), true));
    let mut trainer = BpeTrainer::builder()
        .vocab_size(vocab_size)
        .min_frequency(2)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(specials.to_vec())
        .build();
    let mut tokenizer = TokenizerBuilder::<
        BPE,
        tokenizers::NormalizerWrapper,
        PreTokenizerWrapper,
        PostProcessorWrapper,
        tokenizers::DecoderWrapper,
    >::new()
    .with_model(BPE::default())
    .with_pre_tokenizer(Some(pre_tokenizer()?))
    .with_decoder(Some(ByteLevel::default().into()))
    .build()
    .map_err(bug)?;
    let chat = ChatTemplate::shipped();
    let texts = conversations.iter().map(|messages| Ok(chat.render(messages, End::Message)?.text));
    let texts = texts.collect::<Result<Vec<String>, StageError>>()?;
    // Between the template's special tokens. A message that holds the text of one gives two stretches: that costs nothing here.
    let stretches = texts.iter().flat_map(|text| between_specials(text));
    tokenizer.train(&mut trainer, stretches).map_err(bug)?;
    let template = TemplateProcessing::builder()
        .try_single(format!("{} $A", Special::BeginOfText.text()))
        .map_err(bug)?
        .special_tokens(vec![(Special::BeginOfText.text(), Special::BeginOfText.id())])
        .build()
        .map_err(bug)?;
    tokenizer.with_post_processor(Some(PostProcessorWrapper::from(template)));
    let tokenizer = Tokenizer::from(tokenizer);
    for special in Special::ALL {
        if tokenizer.token_to_id(special.text()) != Some(special.id()) {
            return Err(StageError::bug(format!("{} did not get id {}", special.text(), special.id())));
        }
    }
    Ok(tokenizer)
}

fn between_specials(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let found = Special::ALL.iter().filter_map(|special| Some((text.find(special.text())?, special.text())));
        let (stretch, rest) = match found.min_by_key(|(at, _)| *at) {
            Some((at, special)) => (&text[..at], &text[at + special.len()..]),
            None if text.is_empty() => return None,
            None => (text, ""),
        };
        text = rest;
        Some(stretch)
    })
}

fn pre_tokenizer() -> Result<PreTokenizerWrapper, StageError> {
    let pattern = SplitPattern::Regex(LLAMA_3_SPLIT.to_owned());
    let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(bug)?;
    let bytes = ByteLevel::new(false, true, false);
    Ok(Sequence::new(vec![split.into(), bytes.into()]).into())
}

fn bug(error: impl std::fmt::Display) -> StageError {
    StageError::bug(format!("tokenizers: {error}"))
}
