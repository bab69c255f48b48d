#include "tests/contract/script.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace failoverd::contract {
namespace {

constexpr const char* kArrow = " ->";

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in{text};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// What is expected: words, or the label of a transcript's line in quotes.
void take_expectation(const std::string& text, Step& step) {
  if (text.starts_with('"') && text.ends_with('"') && text.size() > 1) {
    step.label = text.substr(1, text.size() - 2);
    return;
  }
  step.expected = words_of(text);
  if (step.expected.empty()) throw std::invalid_argument("nothing behind ->");
  for (const std::string& word : step.expected) {
    if (word != "none" && word.find('=') == std::string::npos) {
      throw std::invalid_argument("no expectation: " + word);
    }
    if (word.starts_with("msg=")) throw std::invalid_argument("texts differ: compare codes");
  }
}

const std::vector<std::string> kGenerations = {"rtidb", "openmldb"};

std::vector<std::string> generations_of(const Step& step) {
  for (auto word = step.words.begin() + 1; word != step.words.end(); ++word) {
    if (std::find(kGenerations.begin(), kGenerations.end(), *word) == kGenerations.end()) {
      throw std::invalid_argument("no generation " + *word);
    }
  }
  return {step.words.begin() + 1, step.words.end()};
}

Step parse_step(std::string line) {
  Step step;
  for (const std::string& generation : kGenerations) {
    const std::string prefix = generation + ": ";
    if (!line.starts_with(prefix)) continue;
    step.generation = generation;
    line = trimmed(line.substr(prefix.size()));
  }
  const auto arrow = line.find(kArrow);
  if (arrow != std::string::npos) {
    take_expectation(trimmed(line.substr(arrow + std::string{kArrow}.size())), step);
  }
  step.text = trimmed(line.substr(0, arrow));
  step.words = words_of(step.text);
  step.soon = step.words.front() == "soon";
  if (step.soon) step.words.erase(step.words.begin());
  if (step.words.empty()) throw std::invalid_argument("no words");
  if (step.soon && !step.expects()) throw std::invalid_argument("soon what?");
  return step;
}

}  // namespace

Script parse_script(const std::string& text) {
  Script script;
  std::istringstream in{text};
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const auto comment = line.starts_with('#') ? 0 : line.find("  # ");
    line = trimmed(line.substr(0, comment));
    if (line.empty()) continue;
    try {
      Step step = parse_step(line);
      step.line = number;
      if (step.words.front() == "of") {
        script.generations = generations_of(step);
      } else {
        script.steps.push_back(std::move(step));
      }
    } catch (const std::exception& e) {
      throw std::invalid_argument("line " + std::to_string(number) + " \"" + line +
                                  "\": " + e.what());
    }
  }
  if (script.generations.empty()) throw std::invalid_argument("no line says of which generations");
  return script;
}

}  // namespace failoverd::contract
